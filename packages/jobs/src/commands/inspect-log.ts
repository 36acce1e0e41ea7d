import { formatLogReport, inspectLog } from '@slimfaas/slimdata';

export interface InspectLogOptions {
  /** Print the report as JSON instead of text. */
  readonly json: boolean;
}

/**
 * `slimfaas-jobs log inspect DIR`: what is in a member's log, read without a lock and without changing anything.
 * Answers the exit status: 0 the log would open, 1 it would not, or the directory cannot be read.
 */
export async function inspectLogCommand(directory: string, { json }: InspectLogOptions): Promise<number> {
  try {
    const report = await inspectLog(directory);
    const text = json ? JSON.stringify(report, null, 2) : formatLogReport(report);
    process.stdout.write(`${text.trimEnd()}\n`);
    return report.verdict === 'damaged' ? 1 : 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
