import { expect, it } from 'vitest';
import { commandLine } from '../../src/cli/measure/origin.ts';

it('a results file names its command as a shell reads it', () => {
  expect(commandLine(['bench', 'peer', '--command', "./peer {threads} 'a'"])).toBe(
    `ct-bucket bench peer --command './peer {threads} '\\''a'\\'''`,
  );
});

it('a results file names the packet path that the environment chooses', () => {
  expect(commandLine(['bench', 'insert'], { CT_PACKET_PATH: 'javascript' })).toBe(
    'CT_PACKET_PATH=javascript ct-bucket bench insert',
  );
  expect(commandLine(['bench', 'insert'], {})).toBe('ct-bucket bench insert');
});
