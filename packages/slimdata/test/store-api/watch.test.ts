import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { StoreClient } from '../../src/store-api/store-client.ts';
import type { WatchEvent } from '../../src/store-api/watch-reader.ts';
import { Journal } from '../peers/journal.ts';
import { failureOf, type OpenApi, openApi } from './open-api.ts';
import { TestService } from './test-service.ts';

/** Quick progress, so that tests need not wait for it. */
const limits = { progressIntervalMs: 20 };

/** Changes as [index, hashset, fields], and in the end the code of the error. */
function follow(client: StoreClient, from?: number): Journal<unknown> & { readonly events: WatchEvent[] } {
  const journal = Object.assign(new Journal<unknown>(), { events: [] as WatchEvent[] });
  const run = async () => {
    for await (const event of client.watch(from === undefined ? {} : { from })) {
      journal.events.push(event);
      if (event.type === 'change') {
        journal.add([event.index, ...event.hashsets.flatMap(({ hashset, fields }) => [hashset, fields])]);
      }
    }
  };
  run().catch((error: { code: string }) => journal.add(error.code));
  return journal;
}

async function untilWatched({ client }: OpenApi, watchers = 1): Promise<void> {
  const observer = client();
  while ((await observer.status()).watch.watchers !== watchers) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A watch whose client reads only when told to. */
async function openLazyWatch({ member }: OpenApi, from = 1): Promise<Socket> {
  const socket = connect({ port: member.transport.port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET /slimdata/v1/watch?from=${from} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return socket;
}

async function restOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined).resume();
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

describe('watch', function () {
  this.timeout(10_000);

  it('tells of each change as it is applied, with the fields touched', async () => {
    await using open = await openApi({ service: new TestService(10), limits });
    const watched = follow(open.client());
    await untilWatched(open);
    open.service.set('h', { one: '1', two: '2' });
    open.service.set('g', { three: '3' });
    open.service.change({ index: 20, hashsets: new Set(['h']) });
    await watched.until((items) => items.length === 3);
    expect(watched.items).to.deep.equal([
      [11, 'h', ['one', 'two']],
      [12, 'g', ['three']],
      [20, 'h', null],
    ]);
  });

  it('begins at an index, with what was applied before and is still kept', async () => {
    await using open = await openApi({ limits });
    for (let index = 1; index <= 5; index += 1) {
      open.service.set('h', { [`f${index}`]: 'v' });
    }
    const watched = follow(open.client(), 3);
    await watched.until((items) => items.length === 3);
    open.service.set('h', { f6: 'v' });
    await watched.until((items) => items.length === 4);
    expect(watched.items.map((item) => (item as [number])[0])).to.deep.equal([3, 4, 5, 6]);
  });

  it('begins later when the index is still to come', async () => {
    await using open = await openApi({ limits });
    const watched = follow(open.client(), 3);
    await untilWatched(open);
    for (let index = 1; index <= 4; index += 1) {
      open.service.set('h', { f: 'v' });
    }
    await watched.until((items) => items.length >= 1);
    expect(watched.items).to.deep.equal(
      [
        [3, 'h', ['f']],
        [4, 'h', ['f']],
      ].slice(0, watched.items.length),
    );
  });

  it('goes on elsewhere, or later, without a gap and without a repeat', async () => {
    await using open = await openApi({ limits });
    const seen: number[] = [];
    const total = 400;
    const writing = (async () => {
      for (let index = 1; index <= total; index += 1) {
        open.service.set('h', { f: 'v' });
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    let from = 1;
    while (from <= total) {
      const client = open.client();
      for await (const event of client.watch({ from })) {
        from = event.index + 1;
        if (event.type === 'change') {
          seen.push(event.index);
        }
        if (event.index >= total || event.index % 37 === 0) {
          break;
        }
      }
    }
    await writing;
    expect(seen).to.deep.equal(Array.from({ length: total }, (_, at) => at + 1));
  });

  it('tells how far everything was told, also when no watched change comes', async () => {
    await using open = await openApi({ service: new TestService(7), limits });
    const watched = follow(open.client());
    await untilWatched(open);
    open.service.appliedIndex = 9;
    while (!watched.events.some((event) => event.type === 'progress' && event.index === 9)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(watched.items).to.deep.equal([]);
  });

  it('refuses an index of which changes are gone, and tells from where on they are kept', async () => {
    await using open = await openApi({
      service: new TestService(100),
      limits: { ...limits, ringChangesMax: 2 },
    });
    for (let index = 0; index < 3; index += 1) {
      open.service.set('h', { f: 'v' });
    }
    const watch = open.client().watch({ from: 101 })[Symbol.asyncIterator]();
    const error = await failureOf(watch.next());
    expect([
      error.code,
      error.facts['status'],
      error.facts['oldestIndex'],
      error.facts['appliedIndex'],
    ]).to.deep.equal(['too_old', 410, 102, 103]);
    const watched = follow(open.client(), 102);
    await watched.until((items) => items.length === 2);
  });

  it('ends when the state is replaced, and what came before is too old', async () => {
    await using open = await openApi({ limits });
    const watched = follow(open.client());
    await untilWatched(open);
    open.service.set('h', { f: 'v' });
    open.service.change({ index: 500, hashsets: new Set(['h']), replaced: true });
    await watched.until((items) => items.includes('too_old'));
    expect(watched.items).to.deep.equal([[1, 'h', ['f']], 'too_old']);
    const again = open.client().watch({ from: 500 })[Symbol.asyncIterator]();
    expect(await failureOf(again.next())).to.include({ code: 'too_old' });
    const later = follow(open.client(), 501);
    await untilWatched(open);
    open.service.set('h', { f: 'v' });
    await later.until((items) => items.length === 1);
  });

  it('cuts a client that reads less than what changes, with the reason as last line', async () => {
    await using open = await openApi({
      clusterSecret: null,
      limits: { progressIntervalMs: 60_000, ringChangesMax: 100 },
    });
    const socket = await openLazyWatch(open);
    await untilWatched(open);
    const fields = Object.fromEntries(
      Array.from({ length: 50 }, (_, at) => [`${'x'.repeat(400)}${at}`, 'v']),
    );
    let written = 0;
    const observer = open.client();
    while ((await observer.status()).watch.watchers === 1) {
      for (let each = 0; each < 50; each += 1) {
        open.service.set('h', fields);
        written += 1;
      }
      expect(written, 'what a client does not read is bounded').to.be.lessThan(5000);
    }
    const text = await restOf(socket);
    const lines = text.split('\n').filter((line) => line.startsWith('{"type":'));
    expect(lines.at(-1)).to.match(/^\{"type":"end","code":"slow_consumer"/);
    const indexes = lines.slice(1, -1).map((line) => (JSON.parse(line) as { index: number }).index);
    expect(indexes).to.deep.equal(indexes.map((_, at) => at + 1));
    const line = await open.log.find(({ event }) => event === 'store_watch_ended');
    expect(line.facts).to.deep.equal({ reason: 'slow_consumer' });
  });

  it('cuts a client that takes nothing at all, and then its connection', async () => {
    await using open = await openApi({
      clusterSecret: null,
      limits: { ...limits, stalledChecksMax: 3, watchersMax: 1 },
    });
    const socket = await openLazyWatch(open);
    await untilWatched(open);
    const fields = Object.fromEntries(
      Array.from({ length: 500 }, (_, at) => [`${'x'.repeat(500)}${at}`, 'v']),
    );
    for (let each = 0; each < 60; each += 1) {
      open.service.set('h', fields);
    }
    const line = await open.log.find(({ event }) => event === 'store_watch_ended');
    expect(line.facts).to.deep.equal({ reason: 'slow_consumer' });
    // Its place is free again when its connection is cut.
    const next = open.client();
    for (let taken = false; !taken; ) {
      const first = next.watch()[Symbol.asyncIterator]().next();
      taken = await first.then(
        () => true,
        ({ code }: { code: string }) => code !== 'overloaded',
      );
    }
    await restOf(socket);
  });

  it('bounds its clients', async () => {
    await using open = await openApi({ limits: { ...limits, watchersMax: 1 } });
    const first = follow(open.client());
    await untilWatched(open);
    const second = open.client().watch()[Symbol.asyncIterator]();
    expect(await failureOf(second.next())).to.include({ code: 'overloaded' });
    open.service.set('h', { f: 'v' });
    await first.until((items) => items.length === 1);
  });

  it('forgets a client that is gone, and one that leaves', async () => {
    await using open = await openApi({ limits });
    const caller = new AbortController();
    const watch = open.client().watch({ signal: caller.signal })[Symbol.asyncIterator]();
    const next = failureOf(watch.next().then(() => watch.next()));
    await untilWatched(open);
    for await (const _ of open.client().watch()) {
      break;
    }
    await untilWatched(open, 1);
    caller.abort();
    await next;
    await failureOf(watch.next());
    await untilWatched(open, 0);
  });

  it('is told when the member stops', async () => {
    await using open = await openApi({ limits });
    const watched = follow(open.client());
    await untilWatched(open);
    open.service.set('h', { f: 'v' });
    open.api.close();
    await watched.until((items) => items.includes('closed'));
    expect(watched.items).to.deep.equal([[1, 'h', ['f']], 'closed']);
  });

  it('breaks with a reason when the connection does', async () => {
    await using open = await openApi({ limits });
    const watched = follow(open.client());
    await untilWatched(open);
    await open.member.transport.close();
    await watched.until((items) => items.includes('unreachable'));
  });

  it('asks for a signature too, and for an index that is one', async () => {
    await using open = await openApi({ limits });
    const stranger = open.client({ secret: 'another' }).watch()[Symbol.asyncIterator]();
    expect(await failureOf(stranger.next())).to.include({ code: 'not_authenticated' });
    const odd = open.client().watch({ from: -1 })[Symbol.asyncIterator]();
    expect(await failureOf(odd.next())).to.include({ code: 'malformed_request' });
  });
});
