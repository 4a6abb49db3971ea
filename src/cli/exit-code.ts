/** Exit codes of commands (host/command-end.ts). */
export { ExitCode } from '../host/command-end.ts';
