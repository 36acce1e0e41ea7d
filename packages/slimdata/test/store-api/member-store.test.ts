import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { openMember } from '../../src/member.ts';
import { StoreApi } from '../../src/store-api/store-api.ts';
import { createStoreClient } from '../../src/store-api/store-client.ts';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('the store of a member, over HTTP', function () {
  this.timeout(20_000);

  it('is written, read and watched as it is', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'store-api-'));
    const member = await openMember({
      name: 'a',
      members: [{ name: 'a', url: 'http://127.0.0.1:3262' }],
      directory,
      host: '127.0.0.1',
      port: 0,
      clusterSecret: null,
      heartbeatMs: 10,
      electionTimeoutMs: 60,
      logger,
      onFatal: (error) => {
        throw error;
      },
    });
    const api = new StoreApi({ service: member, clusterSecret: 'secret', now: Date.now, logger });
    const server = createServer((request, response) => api.answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = createStoreClient({ url, secret: 'secret' });

    const write = { write: 'set', hashset: 'h', field: 'f', value: Buffer.from('v') } as const;
    const absent = { check: 'absent', hashset: 'h', field: 'f' } as const;
    const { index, ...result } = await client.transact({ checks: [absent], writes: [write] });
    expect(result).to.deep.equal({ applied: true });
    const again = await client.transact({ checks: [absent], writes: [write] });
    expect(again).to.deep.include({ applied: false, failedCheck: 0 });

    const page = await client.read('h');
    expect([...page.fields]).to.deep.equal([
      ['f', { value: Buffer.from('v'), createdIndex: index, version: index }],
    ]);
    expect(page.appliedIndex).to.be.at.least(again.index);
    const { role, watch, statistics } = await client.status();
    expect([role, watch.watchers]).to.deep.equal(['leader', 0]);
    expect(statistics['appliedIndex']).to.equal(member.view.appliedIndex);
    for await (const event of client.watch({ from: watch.oldestIndex })) {
      if (event.type === 'change') {
        expect([event.index, event.hashsets.map(({ hashset }) => hashset)]).to.deep.equal([index, ['h']]);
        break;
      }
    }

    client.close();
    api.close();
    server.closeAllConnections();
    server.close();
    await member.close();
    await rm(directory, { recursive: true });
  });
});
