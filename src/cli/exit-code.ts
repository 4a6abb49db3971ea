/** Exit codes of the command: see host/command-end.ts. */
export { ExitCode } from '../host/command-end.ts';
