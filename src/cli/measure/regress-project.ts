/** What the options of `regress` and `regress bisect` say about projects other than ct-bucket. */

import type { ProjectSettings, ProjectSubject } from '../../../bench/regress/projects/project.ts';
import { UsageError } from '../../core/errors.ts';

export interface ProjectSubjectOptions {
  module?: string;
  command?: string;
  tinybench?: string;
  vitest?: string;
  prepare?: string;
  tolerate?: number;
  alarm?: number;
}

/** Options of `regress` only. */
export interface ProjectRunOptions extends ProjectSubjectOptions {
  baseCommand?: string;
  headCommand?: string;
  cases?: string[];
  seconds?: number;
}

const SUBJECTS = ['module', 'command', 'tinybench', 'vitest'] as const;
/** They need one of the subjects. */
const OF_PROJECTS = ['cases', 'prepare', 'tolerate', 'alarm', 'seconds'] as const;

export function isOfProject(options: ProjectRunOptions): boolean {
  return SUBJECTS.some((name) => options[name] !== undefined) || options.baseCommand !== undefined;
}

/** @throws UsageError unless there is a base, or two commands */
export function refuseIncompleteStates(options: ProjectRunOptions & { base?: string }): void {
  const { base, baseCommand, headCommand } = options;
  if ((baseCommand === undefined) !== (headCommand === undefined)) {
    throw new UsageError('--base-command and --head-command go together: give both');
  }
  if (base === undefined && baseCommand === undefined) {
    throw new UsageError(
      "required option '--base <state>' not specified: give it, or --base-command and --head-command",
    );
  }
}

/** @throws UsageError if there is an option of projects, but no project */
export function refuseProjectOptions(options: ProjectRunOptions, config: string): void {
  const lost = OF_PROJECTS.find((name) => options[name] !== undefined);
  if (lost !== undefined) {
    throw new UsageError(
      `--${lost} is for another project: give --module, --command, --tinybench or --vitest, or change ${config}`,
    );
  }
}

export function subjectOf(options: ProjectRunOptions): ProjectSubject {
  const { baseCommand, headCommand } = options;
  const named = SUBJECTS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]));
  return {
    ...Object.fromEntries(named),
    ...(baseCommand === undefined || headCommand === undefined ? {} : { commands: [baseCommand, headCommand] }),
  };
}

export function projectSettings(
  { prepare, tolerate = 2, alarm = 5 }: ProjectSubjectOptions,
  seconds: number,
): Omit<ProjectSettings, keyof ProjectSubject | 'say'> {
  return { tolerate, alarm, seconds, ...(prepare === undefined ? {} : { prepare }) };
}
