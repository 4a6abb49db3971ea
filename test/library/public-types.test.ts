/** The types of the package: the index exports every type that a user can reach, and no internal type. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as library from '../../src/index.ts';
import { REPOSITORY } from '../support/child.ts';

const INDEX = join(REPOSITORY, 'dist', 'src', 'index.d.ts');

/** A declaration file of the compiler. */
interface Module {
  /** The text of each top-level declaration. */
  declarations: Map<string, string>;
  /** The file of each imported name, and its name there. */
  imports: Map<string, { file: string; name: string }>;
}

const modules = new Map<string, Module>();

function moduleOf(file: string): Module {
  let found = modules.get(file);
  if (found === undefined) {
    found = readModule(file);
    modules.set(file, found);
  }
  return found;
}

function target(file: string, specifier: string): string {
  return join(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts'));
}

function readModule(file: string): Module {
  const text = readFileSync(file, 'utf8').replaceAll(/\/\*[^]*?\*\//g, '');
  const module: Module = { declarations: new Map(), imports: new Map() };
  /* In these files only declarations and their closing braces begin in the first column. */
  for (const statement of text.split(/^(?=[a-z])/m)) {
    const imported = /^(?:import|export) (?:type )?\{([^}]*)\} from ['"](\.[^'"]+)['"]/.exec(statement);
    if (imported !== null) {
      for (const [, name, alias = name] of imported[1]!.matchAll(/\b(?:type )?(\w+)(?: as (\w+))?/g)) {
        module.imports.set(alias!, { file: target(file, imported[2]!), name: name! });
      }
      continue;
    }
    const named = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const) (\w+)/.exec(
      statement,
    );
    if (named !== null) {
      module.declarations.set(named[1]!, `${module.declarations.get(named[1]!) ?? ''}${statement}`);
    }
  }
  return module;
}

/** The place of a name's declaration. */
function origin(file: string, name: string): string | undefined {
  const { declarations, imports } = moduleOf(file);
  if (declarations.has(name)) {
    return `${file}#${name}`;
  }
  const from = imports.get(name);
  return from === undefined || !existsSync(from.file) ? undefined : origin(from.file, from.name);
}

/** The places of all declarations that a declaration names. */
function namedIn(place: string): string[] {
  const [file, name] = place.split('#') as [string, string];
  const text = moduleOf(file)
    .declarations.get(name)!
    .replaceAll(/'[^'\n]*'|"[^"\n]*"/g, "''");
  return Array.from(text.matchAll(/\b[A-Z]\w*\b/g), ([word]) => origin(file, word)).filter(
    (each) => each !== undefined,
  );
}

const places = new Map([...moduleOf(INDEX).imports.keys()].map((name) => [origin(INDEX, name) ?? name, name]));
const short = (place: string): string => place.slice(place.lastIndexOf('/') + 1);

describe('the types of the package', () => {
  it('are all found by this test', () => {
    expect(places.size).toBeGreaterThan(60);
    expect(namedIn(origin(INDEX, 'Datapath')!).map(short)).toContain('conntrack.d.ts#Conntrack');
  });

  it.each([...places])('include a declaration of %s', (place, name) => {
    expect(place, name).toContain('#');
  });

  it('name only types that the index exports', () => {
    const hidden = [...places.keys()].flatMap((place) =>
      namedIn(place)
        .filter((each) => !places.has(each))
        .map((each) => `${short(place)} names ${short(each)}`),
    );
    expect([...new Set(hidden)].toSorted()).toEqual([]);
  });

  it.each([
    ['Conntrack', ['tracker', 'usedBy']],
    ['Datapath', ['share', 'group', 'exchange', 'harvest']],
    ['PacketBatch', ['table', 'moveTo', 'takeSpare', 'isSpare', 'hasSpare', 'resetSpare']],
    ['CtAction', ['nat', 'helperKind', 'labelValue']],
    ['VerdictView', ['point', 'end']],
  ])('give %s none of the internal members %j', (name, members) => {
    const [place] = [...places].find(([, exported]) => exported === name)!;
    const text = moduleOf(place.split('#')[0]!).declarations.get(name)!;
    expect(text).toContain('{');
    expect(members.filter((member) => new RegExp(`^    (readonly |get |set )?${member}\\b`, 'm').test(text))).toEqual(
      [],
    );
  });

  it('include every value that the index exports', () => {
    expect(Object.keys(library).filter((name) => ![...places.values()].includes(name))).toEqual([]);
  });
});
