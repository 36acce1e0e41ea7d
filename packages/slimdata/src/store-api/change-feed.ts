import type { ServerResponse } from 'node:http';
import type { Logger } from '../logger.ts';
import type { Timers } from '../peers/timers.ts';
import { ChangeRing } from './change-ring.ts';
import type { StoreApiLimits } from './limits.ts';
import { Problem } from './problem.ts';
import type { StoreChange, StoreService } from './store-service.ts';
import { Watcher } from './watcher.ts';

/** A client whose watch was ended has so many intervals to read what it was told; then its connection is cut. */
const LAST_WORDS_CHECKS = 5;

export interface ChangeFeedOptions {
  readonly service: StoreService;
  readonly limits: StoreApiLimits;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** The changes of one member as it applies them, for any number of watchers up to a bound. */
export class ChangeFeed {
  private readonly options: ChangeFeedOptions;
  private readonly ring: ChangeRing;
  private readonly watchers = new Set<Watcher>();
  /** Ended, with words on the way; and the checks left. */
  private readonly leaving = new Map<Watcher, number>();
  private readonly stopListening: () => void;
  private readonly cancelChecks: () => void;
  private pumpPlanned = false;

  constructor(options: ChangeFeedOptions) {
    const { service, limits, timers } = options;
    this.options = options;
    this.ring = new ChangeRing(limits, service.view.appliedIndex);
    this.stopListening = service.onChange((change) => this.take(change));
    this.cancelChecks = timers.every(limits.progressIntervalMs, () => this.check());
  }

  /** For status. */
  get figures(): { readonly oldestIndex: number; readonly watchers: number } {
    return { oldestIndex: this.ring.oldestIndex, watchers: this.watchers.size };
  }

  /** Streams all changes from an index on; null = those to come. @throws Problem `too_old`, `overloaded` */
  open(response: ServerResponse, from: number | null): void {
    const { service, limits, logger } = this.options;
    const { appliedIndex } = service.view;
    const start = from ?? appliedIndex + 1;
    if (this.watchers.size + this.leaving.size >= limits.watchersMax) {
      throw new Problem('overloaded', `${limits.watchersMax} watchers are served already.`);
    }
    const position = this.ring.find(start);
    if (position === null) {
      const { oldestIndex } = this.ring;
      const detail = `Changes are kept from index ${oldestIndex} on: read what is there, then watch from its appliedIndex + 1.`;
      throw new Problem('too_old', detail, { oldestIndex, appliedIndex });
    }
    response.writeHead(200, {
      'content-type': 'application/x-ndjson',
      'cache-control': 'no-store',
      connection: 'close',
    });
    response.write(`${JSON.stringify({ type: 'start', from: start, appliedIndex })}\n`);
    const watcher = new Watcher(response, {
      ring: this.ring,
      position,
      from: start,
      stalledChecksMax: limits.stalledChecksMax,
      appliedIndex: () => service.view.appliedIndex,
      onEnded: (reason) => {
        this.watchers.delete(watcher);
        if (reason !== 'gone') {
          this.leaving.set(watcher, LAST_WORDS_CHECKS);
          logger.info({ reason }, 'store_watch_ended');
        }
      },
    });
    response.on('close', () => this.leaving.delete(watcher));
    this.watchers.add(watcher);
    watcher.pump();
  }

  /** Tells every watcher, and listens no more. */
  close(): void {
    this.stopListening();
    this.cancelChecks();
    this.endAll('closed', 'This member is stopping: watch through another one.');
  }

  private take(change: StoreChange): void {
    if (change.replaced === true) {
      this.endAll('too_old', `The state was replaced by that of index ${change.index}: read it anew.`);
      this.ring.reset(change.index);
      return;
    }
    this.ring.push(change);
    // Once for all that one turn applies.
    if (!this.pumpPlanned && this.watchers.size > 0) {
      this.pumpPlanned = true;
      setImmediate(() => this.pump());
    }
  }

  private pump(): void {
    this.pumpPlanned = false;
    for (const watcher of this.watchers) {
      watcher.pump();
    }
  }

  private check(): void {
    for (const [watcher, checksLeft] of this.leaving) {
      this.leaving.set(watcher, checksLeft - 1);
      if (checksLeft <= 0) {
        watcher.destroy();
      }
    }
    for (const watcher of this.watchers) {
      watcher.pump();
      watcher.check();
    }
  }

  private endAll(code: 'closed' | 'too_old', detail: string): void {
    for (const watcher of this.watchers) {
      watcher.pump();
      watcher.end(code, detail);
    }
  }
}
