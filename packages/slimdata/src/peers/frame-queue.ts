/** Encoded frames that wait for their stream, first in, first out, bounded by bytes and by number. */
export class FrameQueue {
  private readonly bytesMax: number;
  private readonly framesMax: number;
  private frames: Buffer[] = [];
  private first = 0;
  private bytes = 0;

  constructor(bytesMax: number, framesMax: number) {
    this.bytesMax = bytesMax;
    this.framesMax = framesMax;
  }

  get length(): number {
    return this.frames.length - this.first;
  }

  /** False, and nothing is kept, when a bound would be exceeded. */
  push(frame: Buffer): boolean {
    if (this.bytes + frame.length > this.bytesMax || this.length >= this.framesMax) {
      return false;
    }
    this.frames.push(frame);
    this.bytes += frame.length;
    return true;
  }

  /** Takes the first frame, and those after it that fit with it in `bytesMax`. */
  take(bytesMax: number): Buffer[] {
    let size = 0;
    let end = this.first;
    for (; end < this.frames.length; end += 1) {
      const length = this.frames[end]?.length ?? 0;
      if (end > this.first && size + length > bytesMax) {
        break;
      }
      size += length;
    }
    const taken = this.frames.slice(this.first, end);
    this.first = end;
    this.bytes -= size;
    this.compact();
    return taken;
  }

  /** Drops everything; returns how many frames that were. */
  clear(): number {
    const dropped = this.length;
    this.frames = [];
    this.first = 0;
    this.bytes = 0;
    return dropped;
  }

  /** Forgets taken frames once they are the larger half, so that each is moved at most once on average. */
  private compact(): void {
    if (this.first === this.frames.length) {
      this.frames = [];
      this.first = 0;
    } else if (this.first > this.frames.length / 2) {
      this.frames = this.frames.slice(this.first);
      this.first = 0;
    }
  }
}
