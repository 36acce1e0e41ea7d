/** The replicated store: what programs on top of it may use. Nothing else of this package is public. */
export type {
  ConfigFault,
  ConfigSystem,
  SlimDataConfig,
  SlimDataConfigResult,
} from './config.ts';
export { parseSlimDataConfig } from './config.ts';
export type { StoreErrorCode } from './errors.ts';
export { StoreError } from './errors.ts';
export { inspectLog } from './log/inspect-log.ts';
export { formatLogReport, type LogReport } from './log/log-report.ts';
export type { Logger } from './logger.ts';
export type { Member, MemberAddress, MemberOptions, MemberStatistics } from './member.ts';
export { openMember } from './member.ts';
export type { Leadership, MemberName, Role } from './raft/types.ts';
export type {
  Check,
  FieldRecord,
  StateView,
  Transaction,
  TransactionResult,
  Write,
} from './state-machine/transaction.ts';
export type { Change, RequestOptions, Store } from './store.ts';
