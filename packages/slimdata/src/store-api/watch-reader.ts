import type { IncomingMessage } from 'node:http';
import type { Timers } from '../peers/timers.ts';
import type { ProblemCode } from './problem.ts';
import { StoreClientError } from './store-client-error.ts';

/** What a watch tells. Indexes never decrease; to go on after one, watch from its index + 1. */
export type WatchEvent =
  | {
      readonly type: 'change';
      readonly index: number;
      /** `fields` is null when any field of the hashset may have changed. */
      readonly hashsets: readonly { readonly hashset: string; readonly fields: readonly string[] | null }[];
    }
  /** Everything up to this index was told. */
  | { readonly type: 'progress'; readonly index: number };

/** A member says something at least once a second; one that says nothing this long is given up. */
const SILENCE_MS_MAX = 10_000;

/** No line is longer: a transaction of the largest size, with every character escaped. */
const LINE_LENGTH_MAX = 16 * 1024 * 1024;

/** The events of a watch until it breaks. @throws StoreClientError with the reason */
export async function* readWatch(
  response: IncomingMessage,
  over: AbortController,
  timers: Timers,
): AsyncGenerator<WatchEvent> {
  const silence = new StoreClientError('unreachable', `Nothing was told for ${SILENCE_MS_MAX} ms.`);
  let cancel = timers.after(SILENCE_MS_MAX, () => over.abort(silence));
  try {
    let rest = '';
    for await (const chunk of response.setEncoding('utf8')) {
      // While the caller is busy the member is not listened to, and cannot be silent.
      cancel();
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_LENGTH_MAX) {
        throw new StoreClientError('unreachable', 'A line of the watch has no end.');
      }
      for (const line of lines) {
        yield* parseLine(line);
      }
      cancel = timers.after(SILENCE_MS_MAX, () => over.abort(silence));
    }
  } finally {
    cancel();
  }
  throw new StoreClientError('unreachable', 'The watch broke off.');
}

/** Lines of a kind that is not known are left out. */
function parseLine(line: string): readonly WatchEvent[] {
  const said = JSON.parse(line) as WatchEvent | { type: 'end'; code: ProblemCode; detail: string };
  if (said.type === 'end') {
    throw new StoreClientError(said.code, said.detail);
  }
  return said.type === 'change' || said.type === 'progress' ? [said] : [];
}
