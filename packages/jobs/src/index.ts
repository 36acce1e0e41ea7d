/** SlimFaas Jobs as a library: one member, opened and closed by the caller. */
export type { ApiDeadlines } from './api/api-parts.ts';
export type { Config } from './config.ts';
export { parseConfig } from './config.ts';
export type { DispatchTimes } from './dispatch/leader-term.ts';
export type { ServiceErrorCode } from './errors.ts';
export { ServiceError } from './errors.ts';
export { createLog } from './log.ts';
export type { JobEvent, Report } from './queue/job-event.ts';
export { type ServeOptions, serve } from './serve.ts';
export { openService, type Service, type ServiceConfig, type ServiceOptions } from './service.ts';
