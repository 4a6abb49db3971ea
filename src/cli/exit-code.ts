/** Exit codes of the command. */
export const ExitCode = {
  ok: 0,
  /** What was checked is not so; what was asked for broke off. */
  notSo: 1,
  /** Wrong options or a broken file. */
  usage: 2,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
