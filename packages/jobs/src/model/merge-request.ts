import { formatReference, matchesReference, mergeEnvironments } from './environment.ts';
import { failed, formatPath, type Parsed, quote } from './fault.ts';
import type { JobDefinition, JobSpec } from './job.ts';
import type { JobRequest } from './job-request.ts';
import { mergeResources } from './merge-resources.ts';
import type { Refusal, RefusalCode } from './refusal.ts';
import { matchesWildcard } from './wildcard.ts';

/**
 * Who asks. `external`: from outside. `internal`: a trusted workload, which may name any dependency. `declared`: a
 * schedule in the configuration or a CronJob, whose author could as well have written the definition, and who may
 * therefore name any dependency and any reference.
 */
type Caller = 'external' | 'internal' | 'declared';

export interface MergeOptions {
  readonly caller: Caller;
  /** What the orchestrator runs: `Image` (Kubernetes, Docker) or `Command` (Process). Absent = not checked here. */
  readonly needs?: 'Image' | 'Command';
}

/**
 * Merges a request into its definition. The caller's value wins where it is given; environment variables are merged by
 * name and resources by key. Nothing is ever lowered in silence: what the definition does not allow is refused, and all
 * refusals are given together, with their paths in the request.
 */
export function mergeRequest(
  definition: JobDefinition,
  request: JobRequest,
  options: MergeOptions,
): Parsed<JobSpec, RefusalCode> {
  const resources = mergeResources(definition.resources, request.resources);
  const spec: JobSpec = {
    image: request.image || definition.image,
    command: definition.command,
    args: request.args ?? definition.args,
    environments: mergeEnvironments(definition.environments, request.environments ?? []),
    resources: resources.merged,
    dependsOn: request.dependsOn ?? definition.dependsOn,
    backoffLimit: request.backoffLimit ?? definition.backoffLimit,
    ttlSecondsAfterFinished: request.ttlSecondsAfterFinished ?? definition.ttlSecondsAfterFinished,
    restartPolicy: request.restartPolicy ?? definition.restartPolicy,
    activeDeadlineSeconds: definition.activeDeadlineSeconds,
    platform: definition.platform,
  };
  const refusals = [
    ...refuseImage(definition, request),
    ...resources.refusals,
    ...(options.caller === 'declared' ? [] : refuseReferences(definition, request)),
    ...(options.caller === 'external' ? refuseDependencies(definition, request) : []),
    ...(options.needs === 'Image' ? requireImage(definition, spec) : []),
    ...(options.needs === 'Command' ? requireCommand(definition) : []),
  ];
  return refusals.length === 0 ? { ok: true, value: spec } : failed(refusals);
}

/** On an orchestrator that runs images: refuses a job without one. */
function requireImage(definition: JobDefinition, spec: JobSpec): readonly Refusal[] {
  if (spec.image !== '') return [];
  return [missing(definition, 'Image', 'image_missing', 'no image is configured for it')];
}

/** On the Process orchestrator: refuses a definition that does not name a program. */
export function requireCommand(definition: JobDefinition): readonly Refusal[] {
  if (definition.command !== null) return [];
  return [
    missing(
      definition,
      'Command',
      'command_missing',
      'the Process orchestrator runs a Command, and it has none',
    ),
  ];
}

function missing(
  definition: JobDefinition,
  path: 'Image' | 'Command',
  code: RefusalCode,
  why: string,
): Refusal {
  const job = quote(definition.name);
  if (definition.source === 'Default') {
    const message = `No job ${job} is configured, and the entry Default has no ${path}; configure ${job}.`;
    return { code: 'unknown_job', path: '', message };
  }
  return { code, path, message: `Job ${job} cannot run: ${why}; set ${path} in its definition.` };
}

function refuseImage(definition: JobDefinition, { image }: JobRequest): readonly Refusal[] {
  if (!image || isImageAllowed(definition, image)) return [];
  const { imagesWhitelist } = definition;
  const allowed = [...(definition.image === '' ? [] : [definition.image]), ...imagesWhitelist];
  const hint =
    allowed.length === 0
      ? 'its definition allows no image; add one to Image or ImagesWhitelist'
      : `allowed are ${listed(allowed)}`;
  const message = `Image ${quote(image)} is not allowed for job ${quote(definition.name)}: ${hint}.`;
  return [{ code: 'image_not_allowed', path: 'Image', message }];
}

/** The configured image, or one that a whitelist entry matches as a whole (`*` = any run of characters). */
function isImageAllowed(
  { image, imagesWhitelist }: Pick<JobDefinition, 'image' | 'imagesWhitelist'>,
  asked: string,
): boolean {
  return asked === image || imagesWhitelist.some((pattern) => matchesWildcard(pattern, asked));
}

function refuseReferences(definition: JobDefinition, request: JobRequest): readonly Refusal[] {
  const own = definition.environments.flatMap(({ reference }) =>
    reference === undefined ? [] : [reference],
  );
  const allowed = [...own, ...(definition.allowedReferences ?? [])];
  return (request.environments ?? []).flatMap(({ reference }, index) => {
    if (reference === undefined || allowed.some((item) => matchesReference(item, reference))) return [];
    const message =
      `${formatReference(reference)} may not be used by callers of job ${quote(definition.name)}; ` +
      'its definition must hold it or name it in AllowedReferences.';
    return [
      { code: 'reference_not_allowed', path: formatPath(['Environments', index, reference.kind]), message },
    ];
  });
}

function refuseDependencies(definition: JobDefinition, request: JobRequest): readonly Refusal[] {
  const allowed = [...definition.dependsOn, ...(definition.allowedDependsOn ?? [])];
  return (request.dependsOn ?? []).flatMap((name, index) => {
    if (allowed.some((pattern) => matchesWildcard(pattern, name))) return [];
    const message =
      `Job ${quote(definition.name)} may not be made to wait for ${quote(name)} from outside; ` +
      'its definition must name it in DependsOn or AllowedDependsOn.';
    return [{ code: 'dependency_not_allowed', path: formatPath(['DependsOn', index]), message }];
  });
}

const listedMax = 5;

function listed(values: readonly string[]): string {
  const more = values.length > listedMax ? ` and ${values.length - listedMax} more` : '';
  return values.slice(0, listedMax).map(quote).join(', ') + more;
}
