import { expect } from 'chai';
import { describe, it } from 'mocha';
import { pack, unpack } from 'msgpackr';
import type { JobSpec } from '../../src/model/job.ts';
import {
  decodeFinished,
  decodeQueued,
  decodeRun,
  encodeFinished,
  encodeQueued,
  encodeRun,
  type FinishedRecord,
  type RunRecord,
} from '../../src/queue/job-record.ts';
import { testJob, testSpec } from './test-store.ts';

const fullSpec: JobSpec = {
  ...testSpec,
  command: null,
  environments: [
    { name: 'A', value: 'é\u0000' },
    { name: 'B', reference: { kind: 'SecretRef', name: 's', key: 'k' } },
    { name: 'C', reference: { kind: 'ConfigMapRef', name: 'c', key: 'k' } },
    { name: 'D', reference: { kind: 'FieldRef', fieldPath: 'metadata.name' } },
    { name: 'E', reference: { kind: 'ResourceFieldRef', resource: 'limits.cpu' } },
  ],
  dependsOn: ['db'],
  activeDeadlineSeconds: 5,
  platform: { nodeSelector: { zone: 'a' }, tolerations: [{ key: 'k', operator: 'Exists' }] },
};
const job = testJob('a', { spec: fullSpec, scheduleId: 'nightly' });
const run: RunRecord = {
  job,
  order: 7,
  owner: { member: 'member-0', term: 3 },
  status: 'Running',
  startTimestamp: 1_700_000_000_001,
  attempts: 2,
  reason: 'waiting for quota',
  deleting: true,
};
const finished: FinishedRecord = {
  job,
  order: 7,
  status: 'Failed',
  startTimestamp: 1,
  finishTimestamp: 2,
  recordedTimestamp: 3,
  exitCode: 137,
  attempts: 2,
  reason: null,
  deleting: false,
};

function changed(value: Uint8Array, change: (parts: unknown[]) => void): Uint8Array {
  const parts: unknown[] = unpack(value);
  change(parts);
  return pack(parts);
}

describe('job record', () => {
  it('decodes exactly what was encoded, in each phase', () => {
    expect(decodeQueued(encodeQueued({ job }))).to.deep.equal({ job });
    expect(decodeRun(encodeRun(run))).to.deep.equal(run);
    expect(decodeFinished(encodeFinished(finished))).to.deep.equal(finished);
  });

  it('begins with its version', () => {
    const parts: unknown[] = unpack(encodeQueued({ job }));
    expect(parts[0]).to.equal(1);
  });

  it('refuses a version that it does not know, naming it', () => {
    const value = changed(encodeQueued({ job }), (parts) => {
      parts[0] = 2;
    });
    expect(() => decodeQueued(value)).to.throw('version 2');
  });

  it('refuses what is cut, longer, of another phase or not msgpack at all', () => {
    const value = encodeRun(run);
    for (let length = 0; length < value.length; length += 1) {
      expect(() => decodeRun(value.subarray(0, length)), `cut at ${length}`).to.throw();
    }
    expect(() => decodeRun(changed(value, (parts) => parts.push(1)))).to.throw();
    expect(() => decodeQueued(value)).to.throw();
    expect(() => decodeFinished(value)).to.throw();
    expect(() => decodeRun(Buffer.from('not a record'))).to.throw();
  });

  it('refuses values of the wrong type or out of range', () => {
    const wrong: readonly ((parts: unknown[]) => void)[] = [
      (parts) => parts.splice(4, 1, 'Sleeping'),
      (parts) => parts.splice(5, 1, '1'),
      (parts) => parts.splice(6, 1, -1),
      (parts) => parts.splice(8, 1, 1),
      (parts) => parts.splice(3, 1, { member: 'member-0', term: 3, more: true }),
      (parts) => parts.splice(1, 1, ['a']),
    ];
    for (const change of wrong) {
      expect(() => decodeRun(changed(encodeRun(run), change)), String(change)).to.throw();
    }
  });
});
