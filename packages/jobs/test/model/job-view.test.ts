import { expect } from 'chai';
import { describe, it } from 'mocha';
import { jobSpecView } from '../../src/model/job-spec-view.ts';
import { jobView, type ViewedJob } from '../../src/model/job-view.ts';
import { createJobsConfiguration, definitionOf } from '../../src/model/jobs-configuration.ts';

const queued: ViewedJob = {
  job: { id: '1', runName: 'daisy-slimfaas-job-12772000', inQueueTimestamp: 1, scheduleId: null },
  status: 'Queued',
  positionInQueue: 1,
  startTimestamp: -1,
  finishTimestamp: -1,
  exitCode: null,
  reason: null,
  attempts: 0,
};

describe('jobView', () => {
  it('shows a queued job with the keys of the documentation alone', () => {
    expect(JSON.stringify(jobView(queued))).to.equal(
      '{"Id":"1","Name":"daisy-slimfaas-job-12772000","Status":"Queued","PositionInQueue":1,' +
        '"InQueueTimestamp":1,"StartTimestamp":-1}',
    );
  });

  it('shows what is known of a finished job', () => {
    const finished: ViewedJob = {
      job: { ...queued.job, scheduleId: 'nightly' },
      status: 'Failed',
      positionInQueue: -1,
      startTimestamp: 2,
      finishTimestamp: 3,
      exitCode: 0,
      reason: 'It failed.',
      attempts: 2,
    };
    expect(jobView(finished)).to.deep.equal({
      Id: '1',
      Name: 'daisy-slimfaas-job-12772000',
      Status: 'Failed',
      PositionInQueue: -1,
      InQueueTimestamp: 1,
      StartTimestamp: 2,
      FinishTimestamp: 3,
      ExitCode: 0,
      Reason: 'It failed.',
      Attempts: 2,
      ScheduleId: 'nightly',
    });
  });
});

describe('jobSpecView', () => {
  const spec = definitionOf(createJobsConfiguration(), 'job');

  it('writes PascalCase and leaves out what is not set', () => {
    expect(jobSpecView(spec)).to.deep.equal({
      Image: '',
      Args: [],
      Environments: [],
      Resources: { Requests: { cpu: '100m', memory: '100Mi' }, Limits: { cpu: '100m', memory: '100Mi' } },
      DependsOn: [],
      BackoffLimit: 1,
      TtlSecondsAfterFinished: 60,
      RestartPolicy: 'Never',
    });
  });

  it('shows references, and masks every literal environment value', () => {
    const view = jobSpecView({
      ...spec,
      command: ['node'],
      activeDeadlineSeconds: 5,
      platform: { nodeSelector: { arch: 'arm64' } },
      environments: [
        { name: 'A', value: 'hunter2' },
        { name: 'B', value: '' },
        { name: 'C', reference: { kind: 'SecretRef', name: 'db', key: 'password' } },
        { name: 'D', reference: { kind: 'FieldRef', fieldPath: 'metadata.name' } },
      ],
    });
    expect(view).to.deep.include({
      Command: ['node'],
      ActiveDeadlineSeconds: 5,
      NodeSelector: { arch: 'arm64' },
      Environments: [
        { Name: 'A', Value: '***' },
        { Name: 'B', Value: '' },
        { Name: 'C', SecretRef: { Name: 'db', Key: 'password' } },
        { Name: 'D', FieldRef: { FieldPath: 'metadata.name' } },
      ],
    });
    expect(JSON.stringify(view)).to.not.include('hunter2');
  });
});
