import { expect } from 'chai';
import { describe, it } from 'mocha';
import { problemStatus } from '../../src/api/problem-status.ts';

describe('problemStatus', () => {
  it('gives Retry-After exactly with 429 and 503', () => {
    for (const [code, { status, retryAfterSeconds }] of Object.entries(problemStatus)) {
      expect(retryAfterSeconds !== undefined, code).to.equal(status === 429 || status === 503);
    }
  });

  it('keeps the statuses that callers rely on', () => {
    const promised = {
      malformed_json: 400,
      visibility_private: 403,
      job_not_found: 404,
      method_not_allowed: 405,
      too_large: 413,
      image_not_allowed: 422,
      resources_exceed_limits: 422,
      queue_full: 429,
      internal: 500,
      unavailable: 503,
    } as const;
    for (const [code, status] of Object.entries(promised)) {
      expect(problemStatus[code as keyof typeof promised].status, code).to.equal(status);
    }
  });
});
