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

/**
 * @param args arguments of the command `ct-bucket`
 * @param env CT_PACKET_PATH is named, since it decides whether packets take the packet module
 */
export function commandLine(args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const path = env['CT_PACKET_PATH'];
  return [...(path === undefined ? [] : [`CT_PACKET_PATH=${quoted(path)}`]), 'ct-bucket', ...args.map(quoted)].join(
    ' ',
  );
}

/** Call when the measurement has ended. */
export function originNow(): Origin {
  return { command: commandLine(process.argv.slice(2), process.env), finishedAt: new Date().toISOString() };
}
