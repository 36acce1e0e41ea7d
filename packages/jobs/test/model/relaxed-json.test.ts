import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { parseRelaxedJson } from '../../src/model/relaxed-json.ts';
import { examples } from './examples.ts';

const limits = { lengthMax: 200, depthMax: 4, valuesMax: 5 };

function parsedValue(text: string | Uint8Array): unknown {
  const parsed = parseRelaxedJson(text);
  if (!parsed.ok) expect.fail(`refused: ${JSON.stringify(parsed.faults)}`);
  return parsed.value;
}

function messageOf(text: string | Uint8Array, bounds?: typeof limits): string {
  const parsed = bounds === undefined ? parseRelaxedJson(text) : parseRelaxedJson(text, bounds);
  if (parsed.ok) expect.fail(`accepted: ${JSON.stringify(parsed.value)}`);
  return parsed.faults.map(({ message }) => message).join(' | ');
}

/** JSON values without the one key that is refused. */
const jsonValue = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__proto__'));

describe('parseRelaxedJson', () => {
  it('reads every example of the documentation as it stands there', () => {
    for (const text of Object.values(examples)) expect(parsedValue(text)).to.be.an('object');
  });

  it('reads what is said, not what stands in comments', () => {
    expect(parsedValue(examples.configMap)).to.have.nested.property(
      'Schedules.fibonacci[1].DependsOn[0]',
      'fibonacci2',
    );
    expect(parsedValue(examples.scheduleRequest)).to.include({ Schedule: '0 0 * * *', BackoffLimit: 1 });
    expect(parsedValue(examples.fullRequest)).to.include({ Image: 'axaguildev/fibonacci-batch:1.0.1' });
  });

  const relaxed: readonly [string, string, unknown][] = [
    ['a # comment', '{"a": 1 # one\n}', { a: 1 }],
    ['a # comment right behind a value', '[1,#one\n2#two\n]', [1, 2]],
    ['a // comment', '{"a": 1 // one\n}', { a: 1 }],
    ['a block comment', '{"a": /* "b": 2, # */ 1}', { a: 1 }],
    ['a comment to the end of the text', '1 # one', 1],
    ['an empty comment', '1 #', 1],
    ['a comment that ends in a carriage return', '[1, # one\r2]', [1, 2]],
    ['brackets and quotes in a comment', '[1 # ]"{\n]', [1]],
    ['a # in a // comment and the reverse', '[1 // #\n, 2 # // /*\n]', [1, 2]],
    ['trailing commas', '{"a": [1, 2,],}', { a: [1, 2] }],
    ['# and // inside texts', '{"#a": "b # c // d /* e"}', { '#a': 'b # c // d /* e' }],
    ['# after an escaped quote', '["\\"# x", "\\\\"] # y', ['"# x', '\\']],
    ['a byte order mark', '\uFEFF{"a": 1}', { a: 1 }],
    ['keys that objects inherit', '{"constructor": 1, "toString": 2}', { constructor: 1, toString: 2 }],
  ];
  for (const [what, text, value] of relaxed) {
    it(`reads ${what}`, () => {
      expect(parsedValue(text)).to.deep.equal(value);
      expect(parsedValue(new TextEncoder().encode(text))).to.deep.equal(value);
    });
  }

  const refused: readonly [string, string, RegExp][] = [
    ['nothing', '', /^Line 1, column 1: a value is missing\.$/],
    ['a comment alone', '# nothing', /a value is missing/],
    ['a missing comma', '{\n  "a": 1\n  "b": 2\n}', /^Line 3, column 3: a "," is missing\.$/],
    ['a missing colon', '{"a" 1}', /^Line 1, column 6: a ":" is missing/],
    ['a missing value', '{"a": }', /^Line 1, column 7: a value is missing/],
    ['the doubled comma', '{"a": 1, , "b": 2}', /column 10/],
    ['an open object', '{"a": 1', /a "}" is missing/],
    ['an open list', '[1', /a "]" is missing/],
    ['an open text', '["abc]\n', /this text in quotes is not closed/],
    ['an open comment', '[1] /* x', /this comment is not closed/],
    ['single quotes', "{'a': 1}", /need double quotes/],
    ['keys without quotes', '{a: 1}', /need double quotes/],
    ['an unknown escape', '["\\x"]', /unknown \\ escape/],
    ['a wrong code point', '["\\u12"]', /four hexadecimal digits/],
    ['a tab in a text', '["a\tb"]', /control character/],
    ['a cut number', '[1.]', /number is not complete/],
    ['a number that is none', '[NaN]', /not JSON/],
    ['a second value', '{} {}', /^Line 1, column 4: the text goes on/],
    ['lines ended by CRLF', '[\r\n1\r\n2]', /^Line 3, column 1:/],
    ['a # comment before the error', '[1, # one\n 2 3]', /^Line 2, column 4:/],
  ];
  for (const [what, text, message] of refused) {
    it(`says where and why it refuses ${what}`, () => {
      expect(messageOf(text)).to.match(message);
    });
  }

  it('names every key that is given twice, with its path', () => {
    const parsed = parseRelaxedJson('{"a": {"b": 1, "b": 2}, "c": [{"d": 1,\n"d": 2}], "a": 3}');
    if (parsed.ok) expect.fail('accepted');
    expect(parsed.faults.map(({ code, path }) => `${code} ${path}`)).to.deep.equal([
      'duplicate_key a.b',
      'duplicate_key c[0].d',
      'duplicate_key a',
    ]);
    expect(parsed.faults[1]?.message).to.equal('"d" is given twice (again at line 2, column 1); keep one.');
  });

  it('refuses __proto__ and lets no key reach a prototype', () => {
    expect(messageOf('{"a": {"__proto__": {"polluted": 1}}}')).to.include('"__proto__"');
    expect(Object.hasOwn(Object.prototype, 'polluted')).to.equal(false);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(messageOf(Uint8Array.of(0x22, 0xff, 0x22))).to.include('not UTF-8');
  });

  it('bounds length, depth and number of values', () => {
    expect(parseRelaxedJson('[[[[1, 2, 3, 4]]]]', limits).ok).to.equal(true);
    expect(messageOf(' '.repeat(201), limits)).to.include('at most 200');
    expect(messageOf('[[[[[]]]]]', limits)).to.include('nested 5 deep');
    expect(messageOf('[1,2,3,4,5,6,7]', limits)).to.include('more than 5 values');
  });

  it('counts depth as the parser does, whatever stands around the brackets', () => {
    const deep = '['.repeat(100_000);
    for (const before of [
      '',
      '["\\\n",',
      '["\\u"',
      '["a\n',
      "['\"',",
      '[/*/',
      '[/',
      '[// "\n',
      '[# "\n',
      '["a\\"',
    ]) {
      for (const between of ['', '"', '\n', '*/']) {
        expect(parseRelaxedJson(before + between + deep).ok).to.equal(false);
      }
    }
  });

  it('reads strict JSON as JSON.parse does', () => {
    fc.assert(
      fc.property(jsonValue, fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parsedValue(text)).to.deep.equal(JSON.parse(text));
      }),
    );
  });

  it('reads the same value with a comment after each line', () => {
    const comment = fc.tuple(fc.constantFrom('#', '//'), fc.string()).map(([sign, text]) => {
      return `${sign}${text.replaceAll(/[\r\n]/g, ' ')}`;
    });
    fc.assert(
      fc.property(jsonValue, comment, (value, line) => {
        const text = JSON.stringify(value, null, 1).replaceAll('\n', () => ` ${line}\n`);
        expect(parsedValue(`${text} ${line}`)).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('answers any text with a value or with faults that have a sentence, and never throws', () => {
    const signs = fc
      .array(fc.constantFrom(...'{}[]",:#/*\\\n1a '), { maxLength: 60 })
      .map((list) => list.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), signs), (text) => {
        const parsed = parseRelaxedJson(text);
        if (!parsed.ok) for (const fault of parsed.faults) expect(fault.message).to.match(/^[A-Z"].*\.$/s);
      }),
      { numRuns: 300 },
    );
  });

  it('accepts nothing that JSON.parse accepts with another value', () => {
    const signs = fc
      .array(fc.constantFrom('{', '}', '[', ']', '"a"', ':', ',', '1', ' '))
      .map((list) => list.join(''));
    fc.assert(
      fc.property(signs, (text) => {
        const parsed = parseRelaxedJson(text);
        let strict: unknown;
        try {
          strict = JSON.parse(text);
        } catch {
          return;
        }
        if (parsed.ok) expect(parsed.value).to.deep.equal(strict);
        else expect(parsed.faults[0]?.code).to.equal('duplicate_key');
      }),
      { numRuns: 300 },
    );
  });
});
