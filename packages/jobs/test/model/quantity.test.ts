import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { compareQuantities, parseQuantity, type Quantity, quantitySign } from '../../src/model/quantity.ts';
import { quantityText } from './arbitraries.ts';

function quantity(text: string): Quantity {
  const parsed = parseQuantity(text);
  if (typeof parsed === 'string') expect.fail(`${text}: ${parsed}`);
  return parsed;
}

/** Another way to the same value: powers of ten and two by long-hand strings and repeated multiplication. */
function nanos(text: string): bigint {
  const { number = '', suffix = '' } = /^(?<number>[\d.+-]+)(?<suffix>.*)$/.exec(text)?.groups ?? {};
  const [whole = '', fraction = ''] = number.split('.');
  const exponent = /^[eE][+-]?\d/.test(suffix) ? Number.parseInt(suffix.slice(1), 10) : 0;
  const thousands = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].indexOf(suffix);
  const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].indexOf(suffix) + 1;
  let zeros = 30 - fraction.length + exponent + (thousands === -1 ? 0 : 3 * (thousands - 3));
  let value = whole + fraction;
  for (; zeros > 0; zeros -= 1) value += '0';
  let result = BigInt(value);
  for (let step = 0; step < binary; step += 1) result *= 1024n;
  return result;
}

describe('parseQuantity', () => {
  const equal: readonly (readonly string[])[] = [
    ['1', '1000m', '1e0', '1.0', '1.', '+1', '01', '1000000u', '1000000000n', '0.001k'],
    ['0.1', '100m', '.1', '1e-1', '100E-3'],
    ['1k', '1000', '1e3', '1E3', '1E+3', '1e+03'],
    ['1M', '1e6', '1000k'],
    ['1G', '1000M'],
    ['1T', '1000G'],
    ['1P', '1000T'],
    ['1E', '1000P', '1e18'],
    ['1Ki', '1024', '1.024k'],
    ['1Mi', '1024Ki', '1048576'],
    ['1Gi', '1024Mi'],
    ['1Ti', '1024Gi'],
    ['1Pi', '1024Ti'],
    ['1Ei', '1024Pi', '1152921504606846976'],
    ['0.5Gi', '512Mi', '536870912'],
    ['129e6', '129M'],
    ['128974848000m', '123Mi', '128974848'],
    ['0', '0Ei', '-0', '0m'],
  ];
  for (const group of equal) {
    it(`finds ${group.join(', ')} equal`, () => {
      for (const left of group) {
        for (const right of group) {
          expect(compareQuantities(quantity(left), quantity(right)), `${left} and ${right}`).to.equal(0);
        }
      }
    });
  }

  const ascending = [
    '-1Gi',
    '-1m',
    '0',
    '1n',
    '1u',
    '999u',
    '1m',
    '250m',
    '1',
    '1023',
    '1Ki',
    '1M',
    '1Mi',
    '128974848',
  ];
  ascending.push(
    '124Mi',
    '1G',
    '1Gi',
    '999999M',
    '1Ti',
    '1P',
    '1Pi',
    '1E',
    '1Ei',
    '9007199254740993k',
    '1e100',
  );

  it('orders by value and not by text', () => {
    for (const [index, left] of ascending.entries()) {
      for (const right of ascending.slice(index + 1)) {
        expect(compareQuantities(quantity(left), quantity(right)), `${left} < ${right}`).to.equal(-1);
        expect(compareQuantities(quantity(right), quantity(left)), `${right} > ${left}`).to.equal(1);
      }
    }
  });

  it('tells apart what a floating point number cannot', () => {
    expect(compareQuantities(quantity('9007199254740993'), quantity('9007199254740992'))).to.equal(1);
    expect(compareQuantities(quantity('0.1'), quantity('100000000000000001e-18'))).to.equal(-1);
  });

  const refused: readonly [string, RegExp][] = [
    ['', /a number with an optional suffix/],
    ['.', /a number with an optional suffix/],
    ['Mi', /a number with an optional suffix/],
    ['four', /a number with an optional suffix/],
    ['1 Mi', /a number with an optional suffix/],
    [' 1', /a number with an optional suffix/],
    ['1\n', /a number with an optional suffix/],
    ['--1', /a number with an optional suffix/],
    ['1,5', /a number with an optional suffix/],
    ['0x10', /a number with an optional suffix/],
    ['1.2.3', /a number with an optional suffix/],
    ['400MB', /"MB" is not a suffix/],
    ['400mi', /"mi" is not a suffix/],
    ['1K', /"K" is not a suffix/],
    ['1ki', /"ki" is not a suffix/],
    ['1mi', /"mi" is not a suffix/],
    ['1e', /"e" is not a suffix/],
    ['NaN', /a number with an optional suffix/],
    ['Infinity', /a number with an optional suffix/],
    ['1e101', /exponent is outside/],
    ['1e-999999999999999999', /exponent is outside/],
    ['1'.repeat(65), /at most 64 characters/],
    ['١', /a number with an optional suffix/],
  ];
  for (const [text, message] of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      expect(parseQuantity(text)).to.be.a('string').that.matches(message);
    });
  }

  it('gives the sign', () => {
    expect(['-1m', '0Gi', '-0', '1n'].map((text) => quantitySign(quantity(text)))).to.deep.equal([
      -1, 0, 0, 1,
    ]);
  });

  it('agrees with long-hand arithmetic on every order', () => {
    fc.assert(
      fc.property(quantityText, quantityText, (left, right) => {
        const difference = nanos(left) - nanos(right);
        const order = difference === 0n ? 0 : difference < 0n ? -1 : 1;
        expect(compareQuantities(quantity(left), quantity(right))).to.equal(order);
      }),
      { numRuns: 1000 },
    );
  });

  it('answers any text with a quantity or a sentence, and never throws', () => {
    const near = fc.stringMatching(/^[+-]?\d{0,4}\.?\d{0,4}[a-zA-Z]{0,3}[+-]?\d{0,4}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        const parsed = parseQuantity(text);
        if (typeof parsed === 'string') expect(parsed).to.not.equal('');
        else expect(parsed.denominator > 0n).to.equal(true);
      }),
      { numRuns: 1000 },
    );
  });
});
