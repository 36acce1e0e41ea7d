import { expect } from 'chai';
import { describe, it } from 'mocha';
import { openLeaderlessStore } from './leaderless-store.ts';
import { openTestApi } from './test-api.ts';

describe('GET /health', function () {
  this.timeout(10_000);

  it('is OK', async () => {
    await using api = await openTestApi();
    const response = await fetch(`${api.url}/health`);
    expect([response.status, await response.text()]).to.deep.equal([200, 'OK']);
  });
});

describe('GET /ready', function () {
  this.timeout(10_000);

  it('is READY with a leader', async () => {
    await using api = await openTestApi();
    const response = await fetch(`${api.url}/ready`);
    expect([response.status, await response.text()]).to.deep.equal([200, 'READY']);
  });

  it('is NOT_READY without, while health stays OK', async () => {
    await using leaderless = await openLeaderlessStore();
    await using api = await openTestApi({ store: leaderless.member, deadlines: { readyMs: 100 } });
    const response = await fetch(`${api.url}/ready`);
    expect([response.status, await response.text()]).to.deep.equal([503, 'NOT_READY']);
    expect((await fetch(`${api.url}/health`)).status).to.equal(200);
  });
});
