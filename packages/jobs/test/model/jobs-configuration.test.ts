import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  createJobsConfiguration,
  definitionOf,
  parseJobsConfiguration,
} from '../../src/model/jobs-configuration.ts';
import { examples } from './examples.ts';
import { accepted, refused, sentences } from './parsed.ts';

const builtIn = {
  image: '',
  imagesWhitelist: [],
  command: null,
  args: [],
  environments: [],
  resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '100m', memory: '100Mi' } },
  dependsOn: [],
  backoffLimit: 1,
  ttlSecondsAfterFinished: 60,
  restartPolicy: 'Never',
  activeDeadlineSeconds: null,
  platform: {},
  visibility: 'Private',
  numberParallelJob: 1,
  queueLimit: 10_000,
  historyLimit: 100,
  allowedReferences: null,
  allowedDependsOn: null,
};

function configurationOf(value: unknown) {
  return parseJobsConfiguration(JSON.stringify(value));
}

function definitionFrom(keys: unknown) {
  return definitionOf(accepted(configurationOf({ Configurations: { job: keys } })), 'job');
}

describe('parseJobsConfiguration', () => {
  it('reads the ConfigMap of the documentation, each value where it belongs', () => {
    const { definitions, schedules } = accepted(parseJobsConfiguration(examples.configMap));
    expect([...definitions.keys()]).to.deep.equal(['fibonacci', 'default']);
    expect(definitions.get('fibonacci')).to.deep.equal({
      ...builtIn,
      name: 'fibonacci',
      source: 'Configuration',
      image: 'axaguildev/fibonacci-batch:latest',
      resources: { requests: { cpu: '400m', memory: '400Mi' }, limits: { cpu: '400m', memory: '400Mi' } },
      dependsOn: ['fibonacci1'],
      visibility: 'Public',
      numberParallelJob: 2,
      ttlSecondsAfterFinished: 36_000,
    });
    expect(schedules.get('fibonacci')?.map(({ schedule, request }) => ({ schedule, request }))).to.deep.equal(
      [
        { schedule: '0 0 * * *', request: { args: ['42'] } },
        { schedule: '0 0 * * 0', request: { args: ['42'], dependsOn: ['fibonacci2'] } },
      ],
    );
  });

  it('reads the other configurations of the documentation', () => {
    const explained = accepted(parseJobsConfiguration(examples.explanation));
    expect(explained.definitions.get('fibonacci')?.imagesWhitelist).to.deep.equal([
      'axaguildev/fibonacci-batch:*',
    ]);
    expect(explained.schedules.get('fibonacci')).to.have.length(2);
    const unconfigured = accepted(parseJobsConfiguration(examples.schedulesOnly));
    expect(unconfigured.schedules.get('fibonacci')).to.have.length(2);
    expect(definitionFrom(JSON.parse(examples.visibilityOnly)).visibility).to.equal('Public');
  });

  it('gives every absent or null key its documented default', () => {
    const named = { ...builtIn, name: 'job', source: 'Configuration' };
    expect(definitionFrom({})).to.deep.equal(named);
    expect(definitionFrom({ Image: null, Resources: null, Command: [], DependsOn: null })).to.deep.equal(
      named,
    );
  });

  it('reads every key beyond the documentation, and passes those of the platform on as they are', () => {
    const volumes = [{ name: 'v', emptyDir: { sizeLimit: '1Gi' } }];
    const definition = definitionFrom({
      command: ['node', 'job.js'],
      Args: ['1'],
      ActiveDeadlineSeconds: 10,
      QueueLimit: 1,
      HistoryLimit: 0,
      AllowedReferences: [
        { SecretRef: { Name: 'app-*', Key: '*' } },
        { FieldRef: { FieldPath: 'metadata.*' } },
      ],
      AllowedDependsOn: ['fibonacci*'],
      ServiceAccountName: 'runner',
      volumes,
      VolumeMounts: [{ name: 'v', mountPath: '/v' }],
      NodeSelector: { 'kubernetes.io/arch': 'arm64' },
      Tolerations: [{ key: 'x', operator: 'Exists' }],
      Labels: { Team: 'a' },
      Annotations: { note: 'b' },
      ImagePullSecrets: [{ name: 'registry' }],
      SecurityContext: { runAsNonRoot: true },
    });
    expect(definition).to.deep.include({
      command: ['node', 'job.js'],
      args: ['1'],
      activeDeadlineSeconds: 10,
      queueLimit: 1,
      historyLimit: 0,
      allowedReferences: [
        { kind: 'SecretRef', name: 'app-*', key: '*' },
        { kind: 'FieldRef', fieldPath: 'metadata.*' },
      ],
      allowedDependsOn: ['fibonacci*'],
      platform: {
        serviceAccountName: 'runner',
        volumes,
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        nodeSelector: { 'kubernetes.io/arch': 'arm64' },
        tolerations: [{ key: 'x', operator: 'Exists' }],
        labels: { Team: 'a' },
        annotations: { note: 'b' },
        imagePullSecrets: [{ name: 'registry' }],
        securityContext: { runAsNonRoot: true },
      },
    });
  });

  it('lower-cases names, and keeps the order of the text', () => {
    const { definitions } = accepted(
      configurationOf({ configurations: { ZooJob: {}, alpha: {}, Default: {} } }),
    );
    expect([...definitions.keys()]).to.deep.equal(['zoojob', 'alpha', 'default']);
    expect(definitions.get('zoojob')?.name).to.equal('zoojob');
  });

  for (const text of ['{}', '{"Configurations": {}, "Schedules": {}}', '{"Configurations": null}']) {
    it(`reads ${text} as Default alone`, () => {
      expect(accepted(parseJobsConfiguration(text))).to.deep.equal(createJobsConfiguration());
    });
  }

  const resourceRows: readonly [string, unknown, unknown][] = [
    ['a greater request lifts an absent limit', { Requests: { cpu: '2' } }, ['2', '100Mi', '2', '100Mi']],
    [
      'a smaller request does not lower it',
      { Requests: { memory: '1Mi' } },
      ['100m', '1Mi', '100m', '100Mi'],
    ],
    [
      'a smaller limit lowers an absent request',
      { Limits: { cpu: '10m' } },
      ['10m', '100Mi', '10m', '100Mi'],
    ],
    ['a greater limit does not lift it', { Limits: { memory: '1Gi' } }, ['100m', '100Mi', '100m', '1Gi']],
  ];
  for (const [what, Resources, expected] of resourceRows) {
    it(`fills in resources: ${what}`, () => {
      const { requests, limits } = definitionFrom({ Resources }).resources;
      expect([requests['cpu'], requests['memory'], limits['cpu'], limits['memory']]).to.deep.equal(expected);
    });
  }

  const faulty: readonly [string, unknown, readonly string[]][] = [
    ['a list', [], ['invalid_value ']],
    ['an unknown part', { Configuration: {} }, ['unknown_key Configuration']],
    ['a list of definitions', { Configurations: [] }, ['invalid_value Configurations']],
    ['a definition that is none', { Configurations: { abc: 1 } }, ['invalid_value Configurations.abc']],
    ['a name that is none', { Configurations: { 'a b': {} } }, ['invalid_name Configurations["a b"]']],
    [
      'names that differ in case',
      { Configurations: { Abc: {}, abc: {} } },
      ['duplicate_key Configurations.abc'],
    ],
    ['an unknown key', { Configurations: { abc: { Imge: '' } } }, ['unknown_key Configurations.abc.Imge']],
    [
      'a quantity that is none',
      { Configurations: { fibonacci: { Resources: { Limits: { cpu: '4OOm' } } } } },
      ['invalid_value Configurations.fibonacci.Resources.Limits.cpu'],
    ],
    [
      'a key with a slash',
      { Configurations: { abc: { Resources: { Limits: { 'nvidia.com/gpu': 'x' } } } } },
      ['invalid_value Configurations.abc.Resources.Limits["nvidia.com/gpu"]'],
    ],
    [
      'a request above its limit',
      { Configurations: { abc: { Resources: { Requests: { cpu: '2' }, Limits: { cpu: '1500m' } } } } },
      ['invalid_value Configurations.abc.Resources.Requests.cpu'],
    ],
    [
      'a request above its limit beside another fault',
      {
        Configurations: { abc: { Resources: { Requests: { cpu: '2', memory: '?' }, Limits: { cpu: '1' } } } },
      },
      [
        'invalid_value Configurations.abc.Resources.Requests.memory',
        'invalid_value Configurations.abc.Resources.Requests.cpu',
      ],
    ],
    [
      'no parallelism',
      { Configurations: { abc: { NumberParallelJob: 0 } } },
      ['invalid_value Configurations.abc.NumberParallelJob'],
    ],
    [
      'a command in one text',
      { Configurations: { abc: { Command: 'sh -c' } } },
      ['invalid_value Configurations.abc.Command'],
    ],
    [
      'a command without program',
      { Configurations: { abc: { Command: ['', 'a'] } } },
      ['invalid_value Configurations.abc.Command'],
    ],
    [
      'a visibility in small letters',
      { Configurations: { abc: { Visibility: 'public' } } },
      ['invalid_value Configurations.abc.Visibility'],
    ],
    [
      'a reference without kind',
      { Configurations: { abc: { AllowedReferences: [{}] } } },
      ['invalid_value Configurations.abc.AllowedReferences[0]'],
    ],
    ['schedules that are no list', { Schedules: { abc: {} } }, ['invalid_value Schedules.abc']],
    [
      'a schedule without expression',
      { Schedules: { abc: [{ Args: [] }] } },
      ['invalid_value Schedules.abc[0].Schedule'],
    ],
    [
      'an expression of six fields',
      { Schedules: { abc: [{ Schedule: '0 0 0 * * *' }] } },
      ['invalid_cron Schedules.abc[0].Schedule'],
    ],
    [
      'a schedule that asks for too much',
      { Schedules: { abc: [{ Schedule: '@daily', Resources: { Limits: { cpu: '1' } }, Image: 'x' }] } },
      ['invalid_value Schedules.abc[0].Image', 'invalid_value Schedules.abc[0].Resources.Limits.cpu'],
    ],
  ];
  for (const [what, value, faults] of faulty) {
    it(`refuses ${what}, naming the place`, () => {
      expect(refused(configurationOf(value))).to.deep.equal(faults);
    });
  }

  it('reports the faults of all definitions and schedules at once', () => {
    const parsed = configurationOf({
      Configurations: { ab: {}, abc: { Image: 1, Foo: 2 }, abd: { NumberParallelJob: 0 } },
      Schedules: {
        abc: [{ Schedule: '* *' }, { Schedule: '@daily', Image: 'x' }],
        abe: [{ Schedule: '@daily', Image: 'x' }],
      },
    });
    expect(refused(parsed)).to.deep.equal([
      'invalid_name Configurations.ab',
      'invalid_value Configurations.abc.Image',
      'unknown_key Configurations.abc.Foo',
      'invalid_value Configurations.abd.NumberParallelJob',
      'invalid_cron Schedules.abc[0].Schedule',
      'invalid_value Schedules.abe[0].Image',
    ]);
  });

  it('lets a declared schedule name any dependency and any reference', () => {
    const environment = { Name: 'A', SecretRef: { Name: 'db', Key: 'password' } };
    const schedule = { Schedule: '@daily', DependsOn: ['anything'], Environments: [environment] };
    expect(configurationOf({ Schedules: { abc: [schedule] } }).ok).to.equal(true);
  });

  it('never repeats an environment value in a fault', () => {
    const Environments = [
      { Name: 'A', Value: ['hunter2'] },
      { Name: 'B', Value: 'hunter2', FieldRef: { FieldPath: 'a' } },
    ];
    expect(sentences(configurationOf({ Configurations: { abc: { Environments } } }))).to.not.include(
      'hunter2',
    );
  });

  it('answers any text with a configuration or faults, and never throws', () => {
    const part = fc.constantFrom(
      'Configurations',
      'Schedules',
      'abc',
      'Default',
      'Schedule',
      'Image',
      'Resources',
    );
    const value = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.oneof(fc.constantFrom('@daily', '* * * * *', 'x'), fc.integer(), fc.constant(null)),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(part, tie('tree'), { maxKeys: 5 }),
      ),
    })).tree;
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          value.map((item) => JSON.stringify(item)),
        ),
        (text) => {
          const parsed = parseJobsConfiguration(text);
          if (parsed.ok) expect(parsed.value.definitions.has('default')).to.equal(true);
          else expect(parsed.faults).to.not.be.empty;
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('definitionOf', () => {
  it('gives an unknown name the built-in Default under its own name', () => {
    const definition = definitionOf(createJobsConfiguration(), 'unknown');
    expect(definition).to.deep.equal({ ...builtIn, name: 'unknown', source: 'Default' });
  });

  it('gives it what the configuration makes of Default, which other definitions do not inherit', () => {
    const Configurations = { DEFAULT: { Image: 'tools:1', BackoffLimit: 5 }, abc: {} };
    const configuration = accepted(configurationOf({ Configurations }));
    expect(definitionOf(configuration, 'unknown')).to.include({
      name: 'unknown',
      source: 'Default',
      image: 'tools:1',
      backoffLimit: 5,
    });
    expect(definitionOf(configuration, 'default')).to.include({ source: 'Configuration', image: 'tools:1' });
    expect(definitionOf(configuration, 'abc')).to.include({
      source: 'Configuration',
      image: '',
      backoffLimit: 1,
    });
  });
});
