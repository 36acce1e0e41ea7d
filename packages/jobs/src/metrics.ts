import type { Member } from '@slimfaas/slimdata';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Answer } from './api/request-log.ts';
import type { JobEvent } from './queue/job-event.ts';

/** Most job names with a series of their own; the others are summed up as `_other`. */
const jobLabelsMax = 200;
const otherJobs = '_other';

/** Every metric of one member, defined here once. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts an event. */
  event(event: JobEvent): void;
  /** Counts an answered request. */
  answer(answer: Answer): void;
}

/** Gauges are read from the member when they are scraped; counters count what this member did. */
export function createMetrics(member: Member): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addStoreGauges(registry, member);
  addJobGauges(registry, member);
  const event = createEventCounters(registry);
  const duration = new Histogram({
    name: 'slimfaas_http_request_duration_seconds',
    help: 'Time until a REST request was answered',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return {
    registry,
    event,
    answer({ method, route, status, durationMs }) {
      // Methods are the client's text where no route matched.
      const labels = route === null ? { method: '_other', route: '_none' } : { method, route };
      duration.observe({ ...labels, status }, durationMs / 1000);
    },
  };
}

function addStoreGauges(registry: Registry, member: Member): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('slimdata_term', 'Current Raft term', () => member.statistics().term);
  gauge('slimdata_leader', '1 while this member leads', () => (member.leadership.role === 'leader' ? 1 : 0));
  gauge('slimdata_leader_known', '1 while a leader is known', () =>
    member.leadership.leader === null ? 0 : 1,
  );
  gauge('slimdata_last_index', 'Last index of the log', () => member.statistics().lastIndex);
  gauge(
    'slimdata_committed_index',
    'Highest committed index known',
    () => member.statistics().committedIndex,
  );
  gauge('slimdata_applied_index', 'Highest applied index', () => member.statistics().appliedIndex);
  gauge('slimdata_proposals_pending', 'Transactions that wait for their outcome', () => {
    return member.statistics().proposalsPending;
  });
  gauge('slimdata_leader_changes', 'Leader changes seen since the start', () => {
    return member.statistics().leaderChangesTotal;
  });
}

function addJobGauges(registry: Registry, { view }: Member): void {
  const gauge = (name: string, help: string, prefix: string): void => {
    new Gauge({
      name,
      help,
      labelNames: ['job'],
      registers: [registry],
      collect() {
        this.reset();
        let labels = 0;
        for (const hashset of view.hashsets(prefix)) {
          labels += 1;
          const job = labels > jobLabelsMax ? otherJobs : hashset.slice(prefix.length);
          this.inc({ job }, view.size(hashset));
        }
      },
    });
  };
  gauge('slimfaas_jobs_queued', 'Jobs in the queue', 'Queue:');
  gauge('slimfaas_jobs_running', 'Jobs that hold a slot, running or about to', 'Run:');
  gauge('slimfaas_jobs_finished', 'Finished jobs whose record is kept', 'History:');
}

function createEventCounters(registry: Registry): (event: JobEvent) => void {
  const counter = (name: string, help: string, labelNames: readonly string[] = []): Counter => {
    return new Counter({ name, help, labelNames, registers: [registry] });
  };
  const accepted = counter('slimfaas_jobs_accepted_total', 'Jobs accepted by this member');
  const claimed = counter('slimfaas_jobs_claimed_total', 'Jobs claimed by this member as leader');
  const refused = counter('slimfaas_job_starts_refused_total', 'Starts refused by the platform', [
    'permanent',
  ]);
  const ended = counter('slimfaas_jobs_ended_total', 'Jobs that got an outcome', ['outcome']);
  const removed = counter('slimfaas_jobs_removed_total', 'Jobs deleted by callers');
  const expired = counter('slimfaas_jobs_expired_total', 'Finished jobs removed after their TTL or limit');
  const orphans = counter('slimfaas_orphans_removed_total', 'Runs without a record that were removed');
  const undecodable = counter('slimfaas_records_undecodable_total', 'Records passed over as undecodable');
  const failures = counter('slimfaas_work_failures_total', "Failed passes of the leader's work", ['work']);
  return (event) => {
    switch (event.event) {
      case 'job_accepted':
        return accepted.inc();
      case 'job_claimed':
        return claimed.inc();
      case 'job_start_refused':
        return refused.inc({ permanent: String(event.retryAfterMs === null) });
      case 'job_finished':
        return ended.inc({ outcome: event.outcome });
      case 'job_removed':
        return removed.inc();
      case 'job_expired':
        return expired.inc();
      case 'orphan_removed':
        return orphans.inc();
      case 'record_undecodable':
        return undecodable.inc();
      case 'work_failed':
        return failures.inc({ work: event.work });
      case 'job_started':
      case 'job_run_renamed':
      case 'leader_work_started':
      case 'leader_work_ended':
        return;
    }
  };
}
