import type { Context } from 'koa';
import { Problem } from '../errors.ts';
import { quote } from '../model/fault.ts';
import type { ApiParts } from './api-parts.ts';
import { readJob } from './get-job.ts';

/** Most log answers under way on this member. */
const streamsMax = 64;

/** `GET /job/<name>/<id>/logs`: the run's output as text; `?follow=true` goes on until the run has ended. */
export function getJobLogs(parts: ApiParts, stopping: AbortSignal): (context: Context) => Promise<void> {
  let streams = 0;
  return async (context) => {
    const follow = context.query['follow'] === 'true';
    const { job } = await readJob(context, parts);
    if (streams >= streamsMax) {
      throw new Problem('too_many_streams', `${streamsMax} log streams are open on this member.`);
    }
    const gone = new AbortController();
    streams += 1;
    context.res.once('close', () => {
      streams -= 1;
      gone.abort();
    });
    const signal = AbortSignal.any([gone.signal, stopping]);
    const output = await parts.runner.logs(job.runName, { follow, signal });
    if (output === null) throw new Problem('no_logs', `Job ${quote(job.id)} has no output.`);
    context.type = 'text/plain; charset=utf-8';
    context.set('X-Content-Type-Options', 'nosniff');
    context.body = output;
  };
}
