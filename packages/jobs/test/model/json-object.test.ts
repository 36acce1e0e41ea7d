import { expect } from 'chai';
import { describe, it } from 'mocha';
import { z } from 'zod';
import { jobDefinitionSchema } from '../../src/model/job-definition.ts';
import { jobRequestSchema } from '../../src/model/job-request.ts';
import { jsonArray, jsonObject, jsonText, parseValue } from '../../src/model/json-object.ts';
import { scheduleEntrySchema } from '../../src/model/schedule-entry.ts';
import { accepted, refused, sentences } from './parsed.ts';

const schema = jsonObject(
  {
    Name: jsonText(5),
    Count: z.int().optional(),
    Items: jsonArray(jsonObject({ Key: z.boolean().optional() }), 3).optional(),
  },
  { Elsewhere: 'belongs elsewhere' },
);

describe('jsonObject', () => {
  it('reads keys in any case and writes them as the schema does', () => {
    expect(accepted(parseValue(schema, { NAME: 'a', cOUNT: 1, items: [{ key: true }] }))).to.deep.equal({
      Name: 'a',
      Count: 1,
      Items: [{ Key: true }],
    });
  });

  it('takes null for absent, which a mandatory key must not be', () => {
    expect(accepted(parseValue(schema, { Name: 'a', Count: null }))).to.deep.equal({ Name: 'a' });
    expect(refused(parseValue(schema, { name: null }))).to.deep.equal(['invalid_value Name']);
  });

  it('lets the exact spelling win its key, wherever it stands', () => {
    for (const value of [
      { name: 'x', Name: 'a' },
      { Name: 'a', name: 'x' },
    ]) {
      expect(refused(parseValue(schema, value))).to.deep.equal(['unknown_key name']);
    }
    expect(sentences(parseValue(schema, { name: 'x', NAME: 'a' }))).to.equal(
      '"NAME" is "Name" again; keep one.',
    );
  });

  it('says that a key belongs elsewhere', () => {
    expect(sentences(parseValue(schema, { Name: 'a', elsewhere: 1 }))).to.equal(
      '"elsewhere" belongs elsewhere.',
    );
  });

  it('puts the path in front, and names faults at every depth', () => {
    const value = { Items: [{ Kye: 1 }, 7, { Key: 'x' }] };
    expect(refused(parseValue(schema, value, ['Outer', 3]))).to.have.members([
      'invalid_value Outer[3].Name',
      'unknown_key Outer[3].Items[0].Kye',
      'invalid_value Outer[3].Items[1]',
      'invalid_value Outer[3].Items[2].Key',
    ]);
  });

  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    it(`does not take "${key}" for a key that is known`, () => {
      const value: unknown = JSON.parse(`{"Name": "a", "${key}": {}}`);
      const parsed = parseValue(schema, value);
      if (parsed.ok) expect(parsed.value).to.deep.equal({ Name: 'a' });
      else expect(refused(parsed)).to.deep.equal([`unknown_key ${key}`]);
    });
  }

  it('is what OpenAPI documents can be made from', () => {
    for (const [item, key] of [
      [jobRequestSchema, 'RestartPolicy'],
      [jobDefinitionSchema, 'NumberParallelJob'],
      [scheduleEntrySchema, 'Schedule'],
    ] as const) {
      expect(z.toJSONSchema(item, { io: 'output' }).properties).to.include.keys('Image', 'Resources', key);
    }
  });
});
