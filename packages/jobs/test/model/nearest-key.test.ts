import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { nearestKey } from '../../src/model/nearest-key.ts';

const keys = [
  'Image',
  'ImagesWhitelist',
  'Args',
  'DependsOn',
  'Environments',
  'BackoffLimit',
  'RestartPolicy',
];

describe('nearestKey', () => {
  for (const [key, nearest] of [
    ['Imge', 'Image'],
    ['Iamge', 'Image'],
    ['Images', 'Image'],
    ['arg', 'Args'],
    ['depends_on', 'DependsOn'],
    ['DependOn', 'DependsOn'],
    ['Environment', 'Environments'],
    ['backoff-limit', 'BackoffLimit'],
    ['RestartPolice', 'RestartPolicy'],
    ['ImageWhiteList', 'ImagesWhitelist'],
    ['Frobnicate', null],
    ['X', null],
    ['', null],
  ] as const) {
    it(`finds ${nearest} for "${key}"`, () => {
      expect(nearestKey(key, keys)).to.equal(nearest);
    });
  }

  it('finds every known key for itself and for any one letter left out', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(30), (key, position) => {
        expect(nearestKey(key, keys)).to.equal(key);
        const cut = key.slice(0, position % key.length) + key.slice((position % key.length) + 1);
        expect(nearestKey(cut, keys)).to.equal(key);
      }),
    );
  });

  it('does not look at keys that are too long to be a slip', () => {
    expect(nearestKey('a'.repeat(100_000), ['a'.repeat(100_000)])).to.equal(null);
  });
});
