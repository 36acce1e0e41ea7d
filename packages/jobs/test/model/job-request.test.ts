import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { parseJobRequest } from '../../src/model/job-request.ts';
import { examples } from './examples.ts';
import { accepted, refused, sentences } from './parsed.ts';

function requestOf(body: unknown) {
  return parseJobRequest(JSON.stringify(body));
}

describe('parseJobRequest', () => {
  it('reads both examples of the documentation', () => {
    expect(accepted(parseJobRequest(examples.simpleRequest))).to.deep.equal({ args: ['42', '43'] });
    expect(accepted(parseJobRequest(examples.fullRequest))).to.deep.equal({
      image: 'axaguildev/fibonacci-batch:1.0.1',
      args: ['42', '43'],
      dependsOn: ['fibonacci2'],
      resources: {
        requests: { cpu: '200m', memory: '200Mi' },
        limits: { cpu: '200m', memory: '200Mi' },
      },
      environments: [],
      backoffLimit: 1,
      ttlSecondsAfterFinished: 100,
      restartPolicy: 'Never',
    });
  });

  for (const body of [
    '',
    '  \r\n',
    new Uint8Array(),
    new TextEncoder().encode(' \n'),
    '{}',
    '{"Image": null}',
  ]) {
    it(`takes ${JSON.stringify(body)} for a request that changes nothing`, () => {
      expect(accepted(parseJobRequest(body))).to.deep.equal({});
    });
  }

  it('reads keys in any case, at every depth', () => {
    const body = {
      args: ['1'],
      ENVIRONMENTS: [{ name: 'A', value: 'b' }],
      resources: { limits: { CPU: '1', Memory: '1Gi' } },
    };
    expect(accepted(requestOf(body))).to.deep.equal({
      args: ['1'],
      environments: [{ name: 'A', value: 'b' }],
      resources: { limits: { cpu: '1', memory: '1Gi' } },
    });
  });

  it('reads every kind of reference', () => {
    const body = {
      Environments: [
        { Name: 'A', SecretRef: { Name: 'db', Key: 'password' } },
        { Name: 'B', Value: '', ConfigMapRef: { name: 'app.config', key: 'app.json' } },
        { Name: 'C', FieldRef: { FieldPath: "metadata.labels['app']" } },
        { Name: 'D', ResourceFieldRef: { Resource: 'limits.cpu' }, SecretRef: null },
        { Name: 'E' },
      ],
    };
    expect(accepted(requestOf(body)).environments).to.deep.equal([
      { name: 'A', reference: { kind: 'SecretRef', name: 'db', key: 'password' } },
      { name: 'B', reference: { kind: 'ConfigMapRef', name: 'app.config', key: 'app.json' } },
      { name: 'C', reference: { kind: 'FieldRef', fieldPath: "metadata.labels['app']" } },
      { name: 'D', reference: { kind: 'ResourceFieldRef', resource: 'limits.cpu' } },
      { name: 'E', value: '' },
    ]);
  });

  it('keeps a quantity as it was written, and takes numbers', () => {
    const body = {
      Resources: { Requests: { cpu: 1, memory: '0.50Gi' }, Limits: { cpu: 1.5, 'nvidia.com/gpu': 2 } },
    };
    expect(accepted(requestOf(body)).resources).to.deep.equal({
      requests: { cpu: '1', memory: '0.50Gi' },
      limits: { cpu: '1.5', 'nvidia.com/gpu': '2' },
    });
  });

  it('names each dependency once', () => {
    expect(accepted(requestOf({ DependsOn: ['a', 'b', 'a'] })).dependsOn).to.deep.equal(['a', 'b']);
  });

  const faulty: readonly [string, unknown, string, RegExp][] = [
    ['a list for a body', [], 'invalid_value ', /^Write an object, not a list\.$/],
    ['null for a body', null, 'invalid_value ', /^Write an object, not null\.$/],
    [
      'an unknown key',
      { Imge: 'x' },
      'unknown_key Imge',
      /^Nothing reads the key "Imge"; did you mean "Image"\?$/,
    ],
    ['an unknown key of no likeness', { Frobnicate: 1 }, 'unknown_key Frobnicate', /known are Image, Args, /],
    [
      'a key of definitions',
      { command: ['sh'] },
      'unknown_key command',
      /"command" belongs to the job's definition/,
    ],
    [
      'two keys that are one',
      { Args: [], args: ['1'] },
      'unknown_key args',
      /^"args" is "Args" again; keep one\.$/,
    ],
    ['a key inside', { Resources: { Limit: {} } }, 'unknown_key Resources.Limit', /did you mean "Limits"\?/],
    ['a number for Args', { Args: 42 }, 'invalid_value Args', /^Write a list, not a number\.$/],
    ['numbers in Args', { Args: ['1', 42] }, 'invalid_value Args[1]', /^Write a text, not a number\.$/],
    ['NUL in Args', { Args: ['a\0b'] }, 'invalid_value Args[0]', /NUL/],
    ['too many Args', { Args: Array(4097).fill('') }, 'invalid_value Args', /at most 4096 items long/],
    ['spaces in Image', { Image: 'a b' }, 'invalid_value Image', /^"a b" must be an image reference\.$/],
    ['a dash before Image', { Image: '--privileged' }, 'invalid_value Image', /must be an image reference/],
    ['a negative BackoffLimit', { BackoffLimit: -1 }, 'invalid_value BackoffLimit', /at least 0, not -1\.$/],
    [
      'a fraction',
      { BackoffLimit: 1.5 },
      'invalid_value BackoffLimit',
      /^Write a whole number, not the number 1\.5\.$/,
    ],
    [
      'a text for a number',
      { BackoffLimit: '1' },
      'invalid_value BackoffLimit',
      /^Write a number, not a text\.$/,
    ],
    [
      'too long a TTL',
      { TtlSecondsAfterFinished: 1e9 },
      'invalid_value TtlSecondsAfterFinished',
      /at most 3/,
    ],
    [
      'Always',
      { RestartPolicy: 'Always' },
      'invalid_value RestartPolicy',
      /one of "Never", "OnFailure", not "Always"/,
    ],
    [
      'a URL as dependency',
      { DependsOn: ['http://x'] },
      'invalid_value DependsOn[0]',
      /the name of a workload/,
    ],
    [
      'a wrong quantity',
      { Resources: { Limits: { cpu: '4OOm' } } },
      'invalid_value Resources.Limits.cpu',
      /"4OOm" is not a/,
    ],
    [
      'a negative quantity',
      { Resources: { Limits: { cpu: '-1' } } },
      'invalid_value Resources.Limits.cpu',
      /"-1" is neg/,
    ],
    [
      'NaN',
      { Resources: { Limits: { cpu: 'NaN' } } },
      'invalid_value Resources.Limits.cpu',
      /not a quantity/,
    ],
    [
      'millibytes',
      { Resources: { Limits: { memory: '400m' } } },
      'invalid_value Resources.Limits.memory',
      /^"400m" is less than one byte; did you mean "400Mi"\?$/,
    ],
    [
      'an unknown resource',
      { Resources: { Limits: { memry: '1' } } },
      'invalid_value Resources.Limits.memry',
      /^"memry" is not a resource; did you mean "memory"\?$/,
    ],
    [
      'a resource twice',
      { Resources: { Limits: { cpu: '1', CPU: '100' } } },
      'invalid_value Resources.Limits.CPU',
      /^"CPU" is "cpu" again; keep one\.$/,
    ],
    [
      'a resource that objects inherit',
      { Resources: { Limits: { constructor: '1' } } },
      'invalid_value Resources.Limits.constructor',
      /is not a resource/,
    ],
    [
      'an environment variable without a name',
      { Environments: [{ Value: 'x' }] },
      'invalid_value Environments[0].Name',
      /^It is missing; write a text\.$/,
    ],
    [
      'a name with =',
      { Environments: [{ Name: 'A=B', Value: 'x' }] },
      'invalid_value Environments[0].Name',
      /"A=B" must be a variable name/,
    ],
    [
      'a variable twice',
      { Environments: [{ Name: 'A' }, { Name: 'B' }, { Name: 'A' }] },
      'invalid_value Environments[2].Name',
      /^"A" is already given by item 0; keep one\.$/,
    ],
    [
      'value and reference',
      { Environments: [{ Name: 'A', Value: 'x', SecretRef: { Name: 'a', Key: 'b' } }] },
      'invalid_value Environments[0]',
      /^Give either Value or one of SecretRef/,
    ],
    [
      'two references',
      { Environments: [{ Name: 'A', FieldRef: { FieldPath: 'a' }, SecretRef: { Name: 'a', Key: 'b' } }] },
      'invalid_value Environments[0]',
      /^Give either/,
    ],
    [
      'a reference with *',
      { Environments: [{ Name: 'A', SecretRef: { Name: '*', Key: 'b' } }] },
      'invalid_value Environments[0].SecretRef.Name',
      /Kubernetes object/,
    ],
    [
      "Kubernetes' valueFrom",
      { Environments: [{ Name: 'A', valueFrom: {} }] },
      'unknown_key Environments[0].valueFrom',
      /write SecretRef, ConfigMapRef/,
    ],
  ];
  for (const [what, body, fault, message] of faulty) {
    it(`refuses ${what}, naming it`, () => {
      expect(refused(requestOf(body))).to.deep.equal([fault]);
      expect(sentences(requestOf(body))).to.match(message);
    });
  }

  it('reports all faults at once', () => {
    const body = {
      Image: 7,
      Args: [1],
      Environments: [{ Name: '' }, { Nam: 'A' }],
      Resources: { Limits: { cpu: 'x', memory: '1m', mem: '1' }, Foo: 1 },
      BackoffLimit: -1,
      RestartPolicy: 'always',
    };
    expect(refused(requestOf(body))).to.have.members([
      'invalid_value Image',
      'invalid_value Args[0]',
      'invalid_value Environments[0].Name',
      'invalid_value Environments[1].Name',
      'unknown_key Environments[1].Nam',
      'invalid_value Resources.Limits.cpu',
      'invalid_value Resources.Limits.memory',
      'invalid_value Resources.Limits.mem',
      'unknown_key Resources.Foo',
      'invalid_value BackoffLimit',
      'invalid_value RestartPolicy',
    ]);
  });

  it('never repeats an argument or an environment value in a fault', () => {
    const secret = 'hunter2';
    const bodies = [
      { Args: [[secret]], Environments: [{ Name: 'A', Value: [secret] }] },
      { Environments: [{ Name: 'A', Value: `${secret}\0`, SecretRef: { Name: 'a', Key: 'b' } }] },
      { Args: { [`${secret}`]: 1 } },
    ];
    for (const body of bodies) expect(sentences(requestOf(body))).to.not.include(secret);
    expect(
      sentences(parseJobRequest(`{"Environments": [{"Name": "A", "Value": "${secret}"]}`)),
    ).to.not.include(secret);
  });

  it('bounds the faults of a hostile body', () => {
    const body = Object.fromEntries(Array.from({ length: 15_000 }, (_, index) => [`k${index}`, 1]));
    expect(refused(requestOf(body)).length).to.be.at.most(100);
    expect(refused(requestOf({ Args: Array(15_000).fill(1) })).length).to.be.at.most(100);
  });

  it('answers any JSON with a request or with faults, and never throws', () => {
    const key = fc.constantFrom(
      'Image',
      'args',
      'Environments',
      'Resources',
      'DependsOn',
      'Limits',
      'Name',
      '__proto__',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.oneof(fc.string(), fc.double(), fc.constant(null), fc.boolean()),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (body) => {
        const parsed = requestOf(body);
        if (!parsed.ok) for (const fault of parsed.faults) expect(fault.message).to.match(/[.?!]$/);
      }),
      { numRuns: 300 },
    );
  });
});
