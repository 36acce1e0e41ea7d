import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { EnvironmentVariable, JobDefinition } from '../../src/model/job.ts';
import { type JobRequest, parseJobRequest } from '../../src/model/job-request.ts';
import {
  createJobsConfiguration,
  definitionOf,
  parseJobsConfiguration,
} from '../../src/model/jobs-configuration.ts';
import { type MergeOptions, mergeRequest, requireCommand } from '../../src/model/merge-request.ts';
import { resourceList } from './arbitraries.ts';
import { examples } from './examples.ts';
import { accepted, refused, sentences } from './parsed.ts';

const external: MergeOptions = { caller: 'external' };
const internal: MergeOptions = { caller: 'internal' };

function definition(keys: object, name = 'fibonacci'): JobDefinition {
  const configuration = parseJobsConfiguration(JSON.stringify({ Configurations: { fibonacci: keys } }));
  return definitionOf(accepted(configuration), name);
}

function documented(text: string): JobDefinition {
  return definitionOf(accepted(parseJobsConfiguration(text)), 'fibonacci');
}

describe('mergeRequest', () => {
  it("gives the definition's own spec to a request that asks for nothing", () => {
    const fibonacci = documented(examples.configMap);
    expect(accepted(mergeRequest(fibonacci, {}, external))).to.deep.equal({
      image: 'axaguildev/fibonacci-batch:latest',
      command: null,
      args: [],
      environments: [],
      resources: { requests: { cpu: '400m', memory: '400Mi' }, limits: { cpu: '400m', memory: '400Mi' } },
      dependsOn: ['fibonacci1'],
      backoffLimit: 1,
      ttlSecondsAfterFinished: 36_000,
      restartPolicy: 'Never',
      activeDeadlineSeconds: null,
      platform: {},
    });
  });

  it('takes both request examples of the documentation', () => {
    const fibonacci = documented(examples.explanation);
    const simple = accepted(parseJobRequest(examples.simpleRequest));
    expect(accepted(mergeRequest(fibonacci, simple, external)).args).to.deep.equal(['42', '43']);
    const full = accepted(parseJobRequest(examples.fullRequest));
    expect(accepted(mergeRequest(fibonacci, full, internal))).to.deep.include({
      image: 'axaguildev/fibonacci-batch:1.0.1',
      dependsOn: ['fibonacci2'],
      resources: { requests: { cpu: '200m', memory: '200Mi' }, limits: { cpu: '200m', memory: '200Mi' } },
      ttlSecondsAfterFinished: 100,
    });
  });

  it("lets the caller's value win where it is given, and only there", () => {
    const keys = { Args: ['a'], BackoffLimit: 3, TtlSecondsAfterFinished: 5, RestartPolicy: 'OnFailure' };
    const request: JobRequest = {
      args: [],
      backoffLimit: 0,
      ttlSecondsAfterFinished: 0,
      restartPolicy: 'Never',
    };
    expect(accepted(mergeRequest(definition(keys), request, external))).to.deep.include({ ...request });
    expect(accepted(mergeRequest(definition(keys), {}, external))).to.deep.include({
      args: ['a'],
      backoffLimit: 3,
      ttlSecondsAfterFinished: 5,
      restartPolicy: 'OnFailure',
    });
  });

  it('keeps what only a definition can say', () => {
    const keys = { Command: ['node'], ActiveDeadlineSeconds: 9, NodeSelector: { a: 'b' } };
    expect(accepted(mergeRequest(definition(keys), { args: ['x'] }, external))).to.deep.include({
      command: ['node'],
      activeDeadlineSeconds: 9,
      platform: { nodeSelector: { a: 'b' } },
    });
  });

  const images: readonly [string, readonly string[], string | undefined, boolean][] = [
    ['app:1', [], undefined, true],
    ['app:1', [], '', true],
    ['app:1', [], 'app:1', true],
    ['app:1', [], 'app:2', false],
    ['app:1', [], 'app:10', false],
    ['app:1', ['app:*'], 'app:2', true],
    ['app:1', ['app:*'], 'app:1', true],
    ['app:1', ['app:*'], 'evil/app:2', false],
    ['app:1', ['tool:*'], 'app:1', true],
    ['app:1', ['a.p:1', 'tool'], 'aap:1', false],
    ['app:1', ['*'], 'anything@sha256:0', true],
    ['', [], 'app:1', false],
    ['', ['app:*'], 'app:1', true],
  ];
  for (const [Image, ImagesWhitelist, image, isAllowed] of images) {
    it(`${isAllowed ? 'admits' : 'refuses'} image "${image}" where "${Image}" and [${ImagesWhitelist}] are`, () => {
      const job = definition({ Image, ImagesWhitelist });
      const merged = mergeRequest(job, image === undefined ? {} : { image }, external);
      if (isAllowed) expect(accepted(merged).image).to.equal(image || Image);
      else expect(refused(merged)).to.deep.equal(['image_not_allowed Image']);
    });
  }

  it('names the image, the job and what is allowed', () => {
    const message = sentences(mergeRequest(definition({ Image: 'app:1' }), { image: 'evil' }, internal));
    expect(message).to.equal('Image "evil" is not allowed for job "fibonacci": allowed are "app:1".');
  });

  it('merges environments by name: the configured order, the caller wins, new names follow', () => {
    const Environments = [
      { Name: 'A', Value: '1' },
      { Name: 'B', SecretRef: { Name: 'db', Key: 'b' } },
      { Name: 'C', Value: '3' },
    ];
    const environments = [
      { name: 'D', value: '4' },
      { name: 'B', value: 'plain' },
      { name: 'a', value: 'another name' },
    ];
    expect(
      accepted(mergeRequest(definition({ Environments }), { environments }, external)).environments,
    ).to.deep.equal([
      { name: 'A', value: '1' },
      { name: 'B', value: 'plain' },
      { name: 'C', value: '3' },
      { name: 'D', value: '4' },
      { name: 'a', value: 'another name' },
    ]);
  });

  const own = { Environments: [{ Name: 'PASSWORD', SecretRef: { Name: 'db', Key: 'password' } }] };
  const listed = {
    AllowedReferences: [
      { ConfigMapRef: { Name: 'app-*', Key: '*' } },
      { FieldRef: { FieldPath: 'metadata.name' } },
    ],
  };
  const references: readonly [string, object, NonNullable<EnvironmentVariable['reference']>, boolean][] = [
    ['its own reference under another name', own, { kind: 'SecretRef', name: 'db', key: 'password' }, true],
    ['another key of the same secret', own, { kind: 'SecretRef', name: 'db', key: 'root' }, false],
    ['another secret', own, { kind: 'SecretRef', name: 'db2', key: 'password' }, false],
    ['a config map of the same name', own, { kind: 'ConfigMapRef', name: 'db', key: 'password' }, false],
    ['any reference without a definition of any', {}, { kind: 'FieldRef', fieldPath: 'status.podIP' }, false],
    ['a listed pattern', listed, { kind: 'ConfigMapRef', name: 'app-a', key: 'x' }, true],
    ['a secret of a pattern for config maps', listed, { kind: 'SecretRef', name: 'app-a', key: 'x' }, false],
    ['a listed field', listed, { kind: 'FieldRef', fieldPath: 'metadata.name' }, true],
    ['another field', listed, { kind: 'FieldRef', fieldPath: 'metadata.uid' }, false],
    [
      'its own reference beside a list',
      { ...own, ...listed },
      { kind: 'SecretRef', name: 'db', key: 'password' },
      true,
    ],
    ['a resource field', listed, { kind: 'ResourceFieldRef', resource: 'limits.cpu' }, false],
  ];
  for (const [what, keys, reference, isAllowed] of references) {
    it(`${isAllowed ? 'admits' : 'refuses'} ${what}, from outside and inside`, () => {
      const request = {
        environments: [
          { name: 'X', value: '' },
          { name: 'Y', reference },
        ],
      };
      for (const options of [external, internal]) {
        const merged = mergeRequest(definition(keys), request, options);
        if (isAllowed) expect(accepted(merged).environments).to.deep.include({ name: 'Y', reference });
        else
          expect(refused(merged)).to.deep.equal([`reference_not_allowed Environments[1].${reference.kind}`]);
      }
    });
  }

  const dependencies: readonly [readonly string[], MergeOptions['caller'], boolean][] = [
    [['fibonacci1'], 'external', true],
    [[], 'external', true],
    [['woken-a'], 'external', true],
    [['fibonacci1', 'woken-b'], 'external', true],
    [['private-db'], 'external', false],
    [['private-db'], 'internal', true],
    [['private-db'], 'declared', true],
  ];
  for (const [dependsOn, caller, isAllowed] of dependencies) {
    it(`${isAllowed ? 'lets' : 'does not let'} an ${caller} caller name [${dependsOn}]`, () => {
      const job = definition({ DependsOn: ['fibonacci1'], AllowedDependsOn: ['woken-*'] });
      const merged = mergeRequest(job, { dependsOn }, { caller });
      if (isAllowed) expect(accepted(merged).dependsOn).to.deep.equal(dependsOn);
      else expect(refused(merged)).to.deep.equal(['dependency_not_allowed DependsOn[0]']);
    });
  }

  it('gives all refusals together', () => {
    const request: JobRequest = {
      image: 'evil',
      resources: { limits: { cpu: '9' } },
      environments: [{ name: 'A', reference: { kind: 'SecretRef', name: 'a', key: 'b' } }],
      dependsOn: ['db'],
    };
    expect(
      refused(mergeRequest(definition({}), request, { caller: 'external', needs: 'Command' })),
    ).to.deep.equal([
      'image_not_allowed Image',
      'resources_exceed_limits Resources.Limits.cpu',
      'reference_not_allowed Environments[0].SecretRef',
      'dependency_not_allowed DependsOn[0]',
      'command_missing Command',
    ]);
  });

  const needs: readonly [string, string, object, 'Image' | 'Command', readonly string[] | null][] = [
    ['a configured job without image', 'fibonacci', {}, 'Image', ['image_missing Image']],
    ['a configured job with image', 'fibonacci', { Image: 'a' }, 'Image', null],
    ['a configured job without command', 'fibonacci', { Image: 'a' }, 'Command', ['command_missing Command']],
    ['a configured job with command', 'fibonacci', { Command: ['a'] }, 'Command', null],
    ['an unknown job without image', 'unknown', {}, 'Image', ['unknown_job ']],
    ['an unknown job without command', 'unknown', {}, 'Command', ['unknown_job ']],
  ];
  for (const [what, name, keys, need, refusals] of needs) {
    it(`${refusals === null ? 'admits' : 'refuses'} ${what} where ${need} is needed`, () => {
      const merged = mergeRequest(definition(keys, name), {}, { caller: 'internal', needs: need });
      if (refusals === null) accepted(merged);
      else expect(refused(merged)).to.deep.equal(refusals);
    });
  }

  it('runs an unknown job with an image that Default allows', () => {
    const text = '{"Configurations": {"Default": {"ImagesWhitelist": ["tools/*"]}}}';
    const unknown = definitionOf(accepted(parseJobsConfiguration(text)), 'unknown');
    const merged = mergeRequest(unknown, { image: 'tools/a:1' }, { caller: 'external', needs: 'Image' });
    expect(accepted(merged).image).to.equal('tools/a:1');
  });

  const variables = fc
    .uniqueArray(fc.record({ name: fc.constantFrom(...'ABCDEF'), value: fc.string() }), {
      selector: ({ name }) => name,
    })
    .map((items): readonly EnvironmentVariable[] => items);

  it('has each variable once, with the asked value if there is one, else the configured', () => {
    fc.assert(
      fc.property(variables, variables, (configured, asked) => {
        const job = { ...definitionOf(createJobsConfiguration(), 'job'), environments: configured };
        const result = accepted(mergeRequest(job, { environments: asked }, external)).environments;
        const names = new Set([...configured, ...asked].map(({ name }) => name));
        expect(result.map(({ name }) => name)).to.deep.equal([...names]);
        for (const { name, value } of result) {
          const wanted =
            asked.find((item) => item.name === name) ?? configured.find((item) => item.name === name);
          expect(value).to.equal(wanted?.value);
        }
      }),
    );
  });

  it('gives the same spec when a spec is asked for again', () => {
    const request: fc.Arbitrary<JobRequest> = fc.record(
      {
        image: fc.constantFrom('', 'app:1', 'app:2'),
        args: fc.array(fc.string(), { maxLength: 3 }),
        dependsOn: fc.uniqueArray(fc.constantFrom('a', 'b')),
        resources: fc.record({ requests: resourceList, limits: resourceList }, { requiredKeys: [] }),
        environments: variables,
        backoffLimit: fc.nat(9),
        ttlSecondsAfterFinished: fc.nat(9),
        restartPolicy: fc.constantFrom('Never', 'OnFailure'),
      },
      { requiredKeys: [] },
    );
    const keys = {
      Image: 'app:1',
      ImagesWhitelist: ['app:*'],
      DependsOn: ['a', 'b'],
      Resources: {
        Requests: { cpu: '0', memory: '0' },
        Limits: { cpu: '5k', memory: '4000Gi', 'nvidia.com/gpu': '4000Gi' },
      },
      Environments: [{ Name: 'A', SecretRef: { Name: 'a', Key: 'a' } }],
    };
    fc.assert(
      fc.property(request, (asked) => {
        const merged = mergeRequest(definition(keys), asked, external);
        if (!merged.ok) return;
        expect(accepted(mergeRequest(definition(keys), merged.value, external))).to.deep.equal(merged.value);
      }),
    );
  });
});

describe('requireCommand', () => {
  it('says which job cannot run on the Process orchestrator, and what to set', () => {
    expect(requireCommand(definition({ Command: ['node'] }))).to.deep.equal([]);
    const [refusal] = requireCommand(definition({ Image: 'app:1' }));
    expect(refusal?.message).to.equal(
      'Job "fibonacci" cannot run: the Process orchestrator runs a Command, and it has none; ' +
        'set Command in its definition.',
    );
  });
});
