/** Types of the jobs domain. Internal names are camelCase; PascalCase exists only at the edges (JSON). */

/** Kubernetes quantities by resource key (`cpu`, `memory`, `nvidia.com/gpu`, ...), kept as the user wrote them. */
export type ResourceList = Readonly<Record<string, string>>;

export interface Resources {
  readonly requests: ResourceList;
  readonly limits: ResourceList;
}

/** Where a value comes from, when it is not given literally; shapes follow Kubernetes' `valueFrom`. */
export type EnvironmentReference =
  | { readonly kind: 'SecretRef'; readonly name: string; readonly key: string }
  | { readonly kind: 'ConfigMapRef'; readonly name: string; readonly key: string }
  | { readonly kind: 'FieldRef'; readonly fieldPath: string }
  | { readonly kind: 'ResourceFieldRef'; readonly resource: string };

export interface EnvironmentVariable {
  readonly name: string;
  /** Literal value, or a reference that the platform resolves. Exactly one of the two is set. */
  readonly value?: string;
  readonly reference?: EnvironmentReference;
}

export type RestartPolicy = 'Never' | 'OnFailure';
type Visibility = 'Public' | 'Private';

/** What a run is started with: a request merged into its job definition, every key resolved. */
export interface JobSpec {
  readonly image: string;
  /** Program to run (Process) or container command; null = the image's own. */
  readonly command: readonly string[] | null;
  readonly args: readonly string[];
  readonly environments: readonly EnvironmentVariable[];
  readonly resources: Resources;
  readonly dependsOn: readonly string[];
  /** Retries after the first attempt. */
  readonly backoffLimit: number;
  /** Seconds that the record and the platform's resources are kept after the job finished. */
  readonly ttlSecondsAfterFinished: number;
  readonly restartPolicy: RestartPolicy;
  /** Seconds from the first start until a job that still runs is ended as failed; null = no limit. */
  readonly activeDeadlineSeconds: number | null;
  /** Kubernetes-only keys, named as Kubernetes does (`volumes`, `nodeSelector`, ...), their values as given. */
  readonly platform: Readonly<Record<string, unknown>>;
}

/** The configured template and limits of one job name. */
export interface JobDefinition extends JobSpec {
  /** Lower-cased. */
  readonly name: string;
  /** Who declared it; `Default` = nobody did, the built-in or configured `Default` stands in. */
  readonly source: 'Configuration' | 'CronJob' | 'Default';
  readonly imagesWhitelist: readonly string[];
  readonly visibility: Visibility;
  /** Most runs of this name at once. */
  readonly numberParallelJob: number;
  /** Most queued jobs of this name. */
  readonly queueLimit: number;
  /** Most finished jobs of this name whose record is kept. */
  readonly historyLimit: number;
  /** References beyond its own that callers may use, `*` in a name or key matching anything; null = none. */
  readonly allowedReferences: readonly EnvironmentReference[] | null;
  /** Dependencies beyond its own that external callers may name, `*` matching anything; null = none. */
  readonly allowedDependsOn: readonly string[] | null;
}

/** One accepted request. */
export interface Job {
  readonly id: string;
  /** Job name (of the definition or, for unknown names, as asked). */
  readonly name: string;
  /** Name of its run on the platform: `<job>-slimfaas-job-<8 of [0-9a-z]>`, chosen once, with the job. */
  readonly runName: string;
  readonly spec: JobSpec;
  /** Unix milliseconds. */
  readonly inQueueTimestamp: number;
  readonly scheduleId: string | null;
}

export type JobStatus = 'Queued' | 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'ImagePullBackOff';
