import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type Fault, failed, faultsMax, formatFaults, formatPath, quote } from '../../src/model/fault.ts';

describe('formatPath', () => {
  for (const [path, text] of [
    [[], ''],
    [
      ['Configurations', 'fibonacci', 'Resources', 'Limits', 'cpu'],
      'Configurations.fibonacci.Resources.Limits.cpu',
    ],
    [['Environments', 0, 'Name'], 'Environments[0].Name'],
    [['Limits', 'nvidia.com/gpu'], 'Limits["nvidia.com/gpu"]'],
    [['Limits', 'ephemeral-storage'], 'Limits.ephemeral-storage'],
    [['a"b', ''], '["a\\"b"][""]'],
  ] as const) {
    it(`writes ${JSON.stringify(path)} as ${text === '' ? 'nothing' : text}`, () => {
      expect(formatPath(path)).to.equal(text);
    });
  }

  it('cuts keys that are long', () => {
    expect(formatPath(['a'.repeat(100_000)])).to.have.length.below(100);
  });
});

describe('formatFaults', () => {
  it('writes one fault a line, with its path where it has one', () => {
    const faults: Fault[] = [
      { code: 'malformed_json', path: '', message: 'Nothing.' },
      { code: 'invalid_value', path: 'a.b', message: 'Wrong.' },
    ];
    expect(formatFaults(faults)).to.equal('Nothing.\na.b: Wrong.');
  });
});

describe('quote', () => {
  it('escapes line ends and cuts long texts, so that a message stays one short line', () => {
    expect(quote('a\n"b"')).to.equal('"a\\n\\"b\\""');
    expect(quote('x'.repeat(1000))).to.have.length.below(100);
  });
});

describe('failed', () => {
  it('keeps the first faults and no more than can be read', () => {
    const fault: Fault = { code: 'invalid_value', path: '', message: '' };
    const faults = Array.from({ length: faultsMax + 5 }, (_, index) => ({ ...fault, path: String(index) }));
    expect(failed(faults).faults.map(({ path }) => path)).to.deep.equal(
      faults.slice(0, faultsMax).map(({ path }) => path),
    );
  });
});
