import { expect } from 'chai';
import { describe, it } from 'mocha';
import { createMetrics } from '../../src/metrics.ts';
import { expectApplied, openTestStore, testJob, wide } from '../queue/test-store.ts';
import { openTestApi } from './test-api.ts';

describe('GET /metrics', function () {
  this.timeout(10_000);

  it('is the registry in the text format of Prometheus', async () => {
    await using api = await openTestApi();
    const response = await fetch(`${api.url}/metrics`);
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal(api.registry.contentType);
    expect(await response.text()).to.equal(await api.registry.metrics());
  });
});

describe('createMetrics', function () {
  this.timeout(10_000);

  it('reads the member and its jobs when it is scraped', async () => {
    await using store = await openTestStore();
    const { registry } = createMetrics(store.member);
    expectApplied(await store.queue.enqueue(testJob('a'), wide));
    const text = await registry.metrics();
    expect(text).to.match(/^slimdata_leader 1$/m);
    expect(text).to.match(new RegExp(`^slimdata_term ${store.term}$`, 'm'));
    expect(text).to.match(/^slimdata_applied_index [1-9]\d*$/m);
    expect(text).to.match(/^slimfaas_jobs_queued\{job="fibonacci"\} 1$/m);
    expect(text).to.match(/^nodejs_eventloop_lag_p99_seconds /m);
    await store.member.transact({
      checks: [],
      writes: [{ write: 'deleteHashset', hashset: 'Queue:fibonacci' }],
    });
    expect(await registry.metrics()).to.not.match(/^slimfaas_jobs_queued\{/m);
  });

  it('counts events, the outcome as a label', async () => {
    await using store = await openTestStore();
    const { registry, event } = createMetrics(store.member);
    event({ event: 'job_accepted', jobName: 'fibonacci', jobId: 'a' });
    const ids = { jobName: 'fibonacci', jobId: 'a' };
    event({ event: 'job_finished', ...ids, outcome: 'Failed', exitCode: 1, reason: null });
    event({ event: 'job_start_refused', ...ids, reason: 'because', retryAfterMs: null });
    const text = await registry.metrics();
    expect(text).to.match(/^slimfaas_jobs_accepted_total 1$/m);
    expect(text).to.match(/^slimfaas_jobs_ended_total\{outcome="Failed"\} 1$/m);
    expect(text).to.match(/^slimfaas_job_starts_refused_total\{permanent="true"\} 1$/m);
  });

  it('bounds the series of job names, and of what no route matched', async () => {
    await using store = await openTestStore();
    const { registry, answer } = createMetrics(store.member);
    const writes = Array.from({ length: 210 }, (_, index) => {
      const hashset = `Queue:job-${index}`;
      return { write: 'set', hashset, field: 'a', value: new Uint8Array(0) } as const;
    });
    await store.member.transact({ checks: [], writes });
    for (const method of ['PURGE', 'BREW']) {
      answer({ requestId: 'r', method, route: null, status: 404, durationMs: 1 });
    }
    const text = await registry.metrics();
    expect(text.match(/^slimfaas_jobs_queued\{/gm)).to.have.length(201);
    expect(text).to.match(/^slimfaas_jobs_queued\{job="_other"\} 10$/m);
    expect(text).to.match(/_count\{method="_other",route="_none",status="404"\} 2$/m);
  });
});
