/** The style of all pages: `bench` and `profile`. It follows the system's light or dark mode, and fits on a phone. */

import { BACK, COLOURS } from './palette.ts';

const inks = (mode: keyof typeof COLOURS): string => COLOURS[mode].map((colour, i) => `--c${i}:${colour}`).join(';');

const LIGHT = `--back:${BACK.light};--text:#1c2128;--soft:#57606a;--rule:#d1d9e0;--grid:#e6eaee;--head:#f4f6f8;--loud:#fff1e5;--edge:#bc4c00;--shade:#f0f2f5;${inks('light')}`;
const DARK = `--back:${BACK.dark};--text:#e6edf3;--soft:#9da7b3;--rule:#3d444d;--grid:#262c36;--head:#161b22;--loud:#3a1e08;--edge:#f0883e;--shade:#171d26;${inks('dark')}`;

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media(prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1280px;overflow-wrap:break-word;padding:clamp(12px,3vw,28px)}
h1{font-size:1.5em;line-height:1.25;margin:0 0 .2em}h2{border-bottom:1px solid var(--rule);font-size:1.3em;margin:2em 0 .6em;padding-bottom:.2em}
h3{font-size:1.05em;margin:1.4em 0 .4em}p{margin:.4em 0 1em;max-width:75ch}.soft{color:var(--soft)}
dl{display:grid;gap:.15em 1em;grid-template-columns:minmax(5em,max-content) 1fr;margin:.4em 0 1em}dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
.loud{background:var(--loud);border:2px solid var(--edge);border-radius:6px;margin:1em 0;padding:.7em 1em}.loud p,.loud ul{margin:.3em 0}
.checks{list-style:none;margin:0;padding:0}.checks li{display:grid;gap:.1em .8em;grid-template-columns:4em 1fr;margin:.5em 0}
.checks b{border:1px solid var(--rule);border-radius:4px;font-size:.85em;height:fit-content;padding:.1em .4em;text-align:center}
.checks .no b{background:var(--loud);border-color:var(--edge)}.checks .care b{border-color:var(--edge)}
.side{display:grid;gap:28px 32px;grid-template-columns:repeat(auto-fit,minmax(min(100%,26em),1fr))}
figure{margin:0;min-width:0}figcaption{margin-bottom:.5em}figcaption b{display:block}.unit,.at{color:var(--soft);font-size:.9em;margin:.2em 0}
.plot{min-height:200px;min-width:0;overflow:hidden}:focus-visible{outline:3px solid var(--c0);outline-offset:2px}
.legend{list-style:none;margin:.2em 0 .6em;max-width:34em;padding:0}.legend li{align-items:baseline;display:flex;flex-wrap:wrap;gap:0 .6em;justify-content:space-between}
.legend button{align-items:center;background:none;border:0;border-radius:4px;color:inherit;cursor:pointer;display:inline-flex;font:inherit;gap:.5em;min-height:30px;padding:0 .3em;text-align:left}
.legend button:hover{background:var(--head)}.legend button[aria-pressed=false]{opacity:.5;text-decoration:line-through}.legend svg{flex:none;height:14px;width:30px}.value{font-variant-numeric:tabular-nums}
.plain :is(.plot,.legend,.at,.unit){display:none}
.hidden{clip-path:inset(50%);height:1px;margin:0;overflow:hidden;position:absolute;white-space:nowrap;width:1px}
.table{margin:0 0 1em;max-width:100%;overflow-x:auto}table{border-collapse:collapse;font-size:.92em;font-variant-numeric:tabular-nums}.title{font-size:.92em;font-weight:600;margin:1em 0 .4em}
th,td{border:1px solid var(--rule);padding:.3em .7em;text-align:right;white-space:nowrap}thead th{background:var(--head)}
th:first-child{background:var(--back);left:0;position:sticky;text-align:left}thead th:first-child{background:var(--head)}tbody th{font-weight:500}tr.predicted>*{border-style:dashed;color:var(--soft);font-style:italic}
.bars{table-layout:fixed;width:100%}.bars th,.bars td{border:0;padding:.25em .4em;white-space:normal}.bars th{overflow-wrap:anywhere;padding-left:0;width:7.5em}.bars .bar{padding:.25em 0}.bars td:last-child{width:8em}
.bar span{background:var(--ink);border-radius:2px;display:block;height:1.1em;position:relative;width:var(--w)}
.bar i{background:var(--text);box-shadow:0 0 0 1px var(--back);height:2px;left:var(--low);position:absolute;top:calc(50% - 1px);width:var(--span)}
svg{display:block;height:auto;max-width:100%}.tick{fill:var(--text);font:12px system-ui,sans-serif}.fill{fill:var(--ink)}
${COLOURS.light.map((_, i) => `.s${i}{--ink:var(--c${i})}`).join('')}
.mark{fill:var(--ink);stroke:var(--ink);stroke-width:1.5}.line{fill:none;stroke:var(--ink);stroke-width:2}.predicted .line{stroke-dasharray:6 4}.predicted .mark{fill:var(--back)}.reference .line{stroke:var(--soft);stroke-dasharray:2 4}
details{margin:.5em 0 1em}summary{cursor:pointer;padding:.2em 0}
@media(max-width:480px){body{font-size:15px}.terms{grid-template-columns:1fr}.terms dt{margin-top:.5em}th,td{padding:.25em .5em}.checks li{grid-template-columns:1fr}.checks b{width:fit-content}}
@media print{body{max-width:none}}
`;
