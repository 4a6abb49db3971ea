/** Where and when a results file was made: its command line and its date. So a figure can be measured again. */

export interface Origin {
  /** The command line, as a shell reads it. */
  command: string;
  /** When the measurement ended: ISO 8601, UTC. */
  finishedAt: string;
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** @param args arguments of the command `ct-bucket` */
export function commandLine(args: readonly string[]): string {
  return ['ct-bucket', ...args.map(quoted)].join(' ');
}

/** Call when the measurement has ended. */
export function originNow(): Origin {
  return { command: commandLine(process.argv.slice(2)), finishedAt: new Date().toISOString() };
}
