import type { RolldownPlugin } from 'rolldown';

export function packetModule(options: { root: string; say: (line: string) => void }): RolldownPlugin;
