import type { StoreApiLimits } from './limits.ts';
import type { StoreChange } from './store-service.ts';

/** What a change costs besides its names. */
const CHANGE_BYTES = 64;

interface Kept {
  readonly index: number;
  readonly change: StoreChange;
  readonly bytes: number;
  /** Encoded when the first watcher needs it. */
  line: string | null;
}

/** The latest changes, in order, bounded by number and size. Positions count changes and never start anew. */
export class ChangeRing {
  private readonly limits: Pick<StoreApiLimits, 'ringChangesMax' | 'ringBytesMax'>;
  private kept: Kept[] = [];
  /** Place in `kept` of the oldest one. */
  private first = 0;
  /** Position of the oldest one. */
  private firstPosition = 0;
  private bytes = 0;
  private oldest: number;

  /** @param appliedIndex changes up to here are not known. */
  constructor(limits: Pick<StoreApiLimits, 'ringChangesMax' | 'ringBytesMax'>, appliedIndex: number) {
    this.limits = limits;
    this.oldest = appliedIndex + 1;
  }

  /** Every change from this index on is here. */
  get oldestIndex(): number {
    return this.oldest;
  }

  /** Of the change to come. */
  get endPosition(): number {
    return this.firstPosition + this.kept.length - this.first;
  }

  push(change: StoreChange): void {
    const bytes = sizeOf(change);
    this.kept.push({ index: change.index, change, bytes, line: null });
    this.bytes += bytes;
    const { ringChangesMax, ringBytesMax } = this.limits;
    while (this.kept.length - this.first > ringChangesMax || this.bytes > ringBytesMax) {
      this.dropFirst();
    }
  }

  /** Forgets everything up to `appliedIndex`. */
  reset(appliedIndex: number): void {
    this.firstPosition = this.endPosition;
    this.kept = [];
    this.first = 0;
    this.bytes = 0;
    this.oldest = appliedIndex + 1;
  }

  /** Position of the first change whose index is `from` or later; null = some of those are not here any more. */
  find(from: number): number | null {
    if (from < this.oldest) {
      return null;
    }
    let [low, high] = [this.first, this.kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.kept[middle]?.index ?? 0) < from) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return this.firstPosition + low - this.first;
  }

  /** The change at a position, as a line; null = it is gone, or still to come. */
  at(position: number): { readonly index: number; readonly line: string } | null {
    const place = this.first + position - this.firstPosition;
    const kept = position < this.firstPosition ? undefined : this.kept[place];
    if (kept === undefined) {
      return null;
    }
    kept.line ??= formatChange(kept.change);
    return { index: kept.index, line: kept.line };
  }

  /** True when a position stands before what is kept. */
  isGone(position: number): boolean {
    return position < this.firstPosition;
  }

  private dropFirst(): void {
    const dropped = this.kept[this.first];
    this.first += 1;
    this.firstPosition += 1;
    this.bytes -= dropped?.bytes ?? 0;
    this.oldest = (dropped?.index ?? 0) + 1;
    if (this.first > this.kept.length / 2) {
      this.kept = this.kept.slice(this.first);
      this.first = 0;
    }
  }
}

/** `fields` is null for a hashset any of whose fields may have changed. */
function formatChange({ index, hashsets, fields }: StoreChange): string {
  const touched = [...hashsets].map((hashset) => {
    const known = fields?.get(hashset);
    return { hashset, fields: known === undefined ? null : [...known] };
  });
  return `${JSON.stringify({ type: 'change', index, hashsets: touched })}\n`;
}

function sizeOf({ hashsets, fields }: StoreChange): number {
  let bytes = CHANGE_BYTES;
  for (const hashset of hashsets) {
    bytes += hashset.length + CHANGE_BYTES;
    for (const field of fields?.get(hashset) ?? []) {
      bytes += field.length + CHANGE_BYTES;
    }
  }
  return bytes;
}
