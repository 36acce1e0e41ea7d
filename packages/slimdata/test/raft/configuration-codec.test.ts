import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { createConfiguration, enterJoint, leaveJoint } from '../../src/raft/configuration.ts';
import { decodeConfiguration, encodeConfiguration } from '../../src/raft/configuration-codec.ts';
import type { Configuration } from '../../src/raft/types.ts';

/** `a` and `ä` voted before, `ä` and `x` will; `a` becomes a learner and `l` is one. */
const JOINT: Configuration = {
  voters: new Set(['x', 'ä']),
  outgoing: new Set(['a', 'ä']),
  learners: new Set(['l']),
  learnersNext: new Set(['a']),
  autoLeave: true,
};

const someName = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' });
const someConfiguration = fc
  .record({
    voters: fc.uniqueArray(someName, { minLength: 1, maxLength: 5 }),
    change: fc.array(
      fc.record({ type: fc.constantFrom('addVoter', 'addLearner', 'remove'), member: someName }),
      { maxLength: 5 },
    ),
    leaves: fc.boolean(),
  })
  .map(({ voters, change, leaves }) => {
    const configuration = createConfiguration(voters);
    const nextIndex = new Map(voters.map((name) => [name, 1]));
    const joint = enterJoint({ configuration, nextIndex }, true, change, 1);
    const left = leaves && 'membership' in joint ? leaveJoint(joint.membership) : joint;
    return 'membership' in left ? left.membership.configuration : configuration;
  });

describe('configuration-codec', () => {
  it('gives back every configuration that changes can lead to', () => {
    fc.assert(
      fc.property(someConfiguration, (configuration) => {
        expect(decodeConfiguration(encodeConfiguration(configuration))).to.deep.equal(configuration);
      }),
    );
  });

  it('writes the layout of version 1, which members of earlier and later releases read', () => {
    expect(Buffer.from(encodeConfiguration(JOINT)).toString('hex')).to.equal(
      [
        '01',
        '01',
        '0200',
        '010078',
        '0200c3a4',
        '0200',
        '010061',
        '0200c3a4',
        '0100',
        '01006c',
        '0100',
        '010061',
      ].join(''),
    );
  });

  it('writes equal configurations alike, whatever order their members were named in', () => {
    const bytes = encodeConfiguration(createConfiguration(['b', 'c', 'a']));
    expect(bytes).to.deep.equal(encodeConfiguration(createConfiguration(['c', 'a', 'b'])));
  });

  it('reads a payload that is a view into a larger frame', () => {
    const frame = Buffer.concat([Buffer.from('before'), encodeConfiguration(JOINT), Buffer.from('after')]);
    expect(decodeConfiguration(frame.subarray(6, frame.length - 5))).to.deep.equal(JOINT);
  });

  it('names the way out when it meets a later version', () => {
    const bytes = Buffer.from(encodeConfiguration(JOINT));
    bytes[0] = 2;
    expect(() => decodeConfiguration(bytes)).to.throw('version 2, but this release knows 1: start the newer');
  });

  it('refuses bytes that were cut off anywhere, or go on', () => {
    const bytes = encodeConfiguration(JOINT);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeConfiguration(bytes.subarray(0, length)), `${length} bytes`).to.throw('cut off');
    }
    expect(() => decodeConfiguration(Buffer.concat([bytes, Buffer.from([0])]))).to.throw('other bytes');
  });

  it('refuses what no change leads to', () => {
    const set = (...names: string[]) => new Set(names);
    const learnerAndVoter = { ...createConfiguration(['a']), learners: set('a') };
    expect(() => decodeConfiguration(encodeConfiguration(learnerAndVoter))).to.throw('also a voter');
    const leftover = { ...createConfiguration(['a']), autoLeave: true };
    expect(() => decodeConfiguration(encodeConfiguration(leftover))).to.throw('leftovers');
    const twice = Buffer.from('01000200010061010061', 'hex');
    expect(() => decodeConfiguration(twice)).to.throw('the name "a" after "a"');
    const flags = Buffer.from(encodeConfiguration(JOINT));
    flags[1] = 2;
    expect(() => decodeConfiguration(flags)).to.throw('unknown flags 2');
  });
});
