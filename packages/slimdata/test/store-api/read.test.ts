import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { storeApiLimits } from '../../src/store-api/limits.ts';
import { parseReadBody, parseReadQuery, readState } from '../../src/store-api/read.ts';
import { TestService } from './test-service.ts';

/** All fields, page by page; `between` runs after each page. */
function readPages(service: TestService, limit: number, between: () => void = () => undefined): string[] {
  const seen: string[] = [];
  let end: string | null = null;
  do {
    const body = JSON.stringify({ hashset: 'h', limit, ...(end === null ? {} : { continue: end }) });
    const page = readState(service.view, parseReadBody(Buffer.from(body), storeApiLimits), storeApiLimits);
    seen.push(...page.fields.map(({ field }) => field));
    end = page.continue;
    between();
  } while (end !== null);
  return seen;
}

/** Transactions that set some of twelve fields each. */
const transactions = fc.array(
  fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { minLength: 1, maxLength: 5 }),
  {
    maxLength: 12,
  },
);

function apply(service: TestService, sets: readonly (readonly number[])[]): void {
  for (const fields of sets) {
    service.set('h', Object.fromEntries(fields.map((field) => [`f:${field}`, 'v'])));
  }
}

describe('readState', () => {
  it('lists every field once, in order, whatever the size of pages', () => {
    fc.assert(
      fc.property(transactions, fc.integer({ min: 1, max: 5 }), (sets, limit) => {
        const service = new TestService();
        apply(service, sets);
        const expected = [...service.view.entries('h')].map(([field]) => field);
        expect(readPages(service, limit)).to.deep.equal(expected);
      }),
    );
  });

  it('leaves out no field that is there throughout, although others go and come between pages', () => {
    const removals = fc.array(fc.integer({ min: 0, max: 11 }), { maxLength: 10 });
    fc.assert(
      fc.property(transactions, removals, fc.integer({ min: 1, max: 4 }), (sets, removed, limit) => {
        const service = new TestService();
        apply(service, sets);
        const left = [...removed];
        const seen = readPages(service, limit, () => {
          const field = left.pop();
          if (field !== undefined) {
            service.hashsetsByName.get('h')?.delete(`f:${field}`);
            service.set('h', { [`new:${field}`]: 'v' });
          }
        });
        const kept = [...service.view.entries('h')]
          .map(([field]) => field)
          .filter((field) => field.startsWith('f:'));
        expect(seen).to.include.members(kept);
      }),
    );
  });
});

describe('parseReadQuery', () => {
  it('means the same as the body', () => {
    const query = new URLSearchParams('hashset=h&field=a&field=b&consistency=local&limit=7&continue=3:x:y');
    const body = { hashset: 'h', fields: ['a', 'b'], consistency: 'local', limit: 7, continue: '3:x:y' };
    const expected = {
      hashset: 'h',
      fields: ['a', 'b'],
      consistency: 'local',
      limit: 7,
      after: { createdIndex: 3, field: 'x:y' },
    };
    expect(parseReadQuery(query, storeApiLimits)).to.deep.equal(expected);
    expect(parseReadBody(Buffer.from(JSON.stringify(body)), storeApiLimits)).to.deep.equal(expected);
  });

  it('keeps pages between one field and the bound', () => {
    const limitOf = (limit: number) =>
      parseReadQuery(new URLSearchParams(`hashset=h&limit=${limit}`), storeApiLimits).limit;
    expect([limitOf(0), limitOf(1_000_000)]).to.deep.equal([1, storeApiLimits.fieldsMax]);
  });
});
