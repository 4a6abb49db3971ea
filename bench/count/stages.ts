/** The stages of a batch, and the marks at which each begins, in the functions of a batch (src/core/path). */

import type { Node, Program } from 'acorn';
import type MagicString from 'magic-string';

/** In the order in which a batch goes through them. `begin`: the clock; `end`: the quiescent point. */
export const STAGES = ['begin', 'parse', 'lines', 'records', 'judge', 'end'] as const;
export type Stage = (typeof STAGES)[number];

export const STAGE_TITLES: Readonly<Record<Stage, string>> = {
  begin: 'begin the batch',
  parse: 'parse and hash',
  lines: 'touch lines',
  records: 'touch records',
  judge: 'judge',
  end: 'end the batch',
};

/** From here on a packet waits for each line that no earlier stage has touched. */
export const JUDGE: number = STAGES.indexOf('judge');

/** The functions of a batch, the outer one first. */
const OF_BATCH = ['conntrackExecute', 'judgeBatch'];
/** The function whose call begins the stage. `judge` is the loop that calls it. */
const CALLS: Partial<Record<Stage, string>> = {
  parse: 'parseAndHash',
  lines: 'touchLines',
  records: 'touchRecords',
  judge: 'judgePacket',
};

type AnyNode = Node & Record<string, unknown>;

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flat()
    .filter((value): value is AnyNode => typeof (value as AnyNode | null)?.type === 'string');
}

function calls(node: AnyNode, name: string): boolean {
  const callee = node['callee'] as { name?: string } | undefined;
  return (
    (node.type === 'CallExpression' && callee?.name === name) || childrenOf(node).some((each) => calls(each, name))
  );
}

function statementsOf(program: Program, name: string): AnyNode[] {
  const declared = program.body.flatMap((node) => (node.type === 'VariableDeclaration' ? node.declarations : []));
  const found = declared.find(({ id }) => id.type === 'Identifier' && id.name === name);
  const body = (found?.init as unknown as { body?: { body?: AnyNode[] } } | undefined)?.body?.body;
  if (body === undefined) {
    throw new Error(`the compiled packet path has no function ${name}: adapt bench/count/stages.ts to the source`);
  }
  return body;
}

/** @throws Error if a stage is not found: then the source has changed, and CALLS must follow */
export function markStages(program: Program, edits: MagicString): void {
  const statements = OF_BATCH.flatMap((name) => statementsOf(program, name));
  const mark = (stage: Stage) => `$count.stage = ${STAGES.indexOf(stage)}; $count.packet = -1; `;
  edits.appendRight(statements[0]!.start, mark('begin'));
  for (const stage of STAGES) {
    const name = CALLS[stage];
    if (name === undefined) {
      continue;
    }
    const found = statements.find((each) => calls(each, name) && (stage !== 'judge' || each.type === 'ForStatement'));
    if (found === undefined) {
      throw new Error(`${OF_BATCH.join(' and ')} have no ${name} any more: adapt bench/count/stages.ts to the source`);
    }
    edits.appendRight(found.start, mark(stage));
    if (stage === 'judge') {
      const body = found['body'] as unknown as { body: AnyNode[] };
      edits.appendRight(body.body[0]!.start, '$count.packet++; ');
      edits.appendLeft(found.end, ` ${mark('end')}`);
    }
  }
}
