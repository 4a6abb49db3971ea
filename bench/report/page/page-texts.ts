/**
 * What a page with plots carries besides its figures: the plotting library uPlot, its notice, and the script that draws.
 *
 * From the sources, the texts are read from `node_modules` and from this folder. The build (scripts/build.mjs) puts the texts
 * themselves in place of the calls of `textOf`, so that the package has them without uPlot.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** @param name file in this folder if it begins with a dot, else in a package */
function textOf(name: string): string {
  return readFileSync(createRequire(import.meta.url).resolve(name), 'utf8');
}

/** A script element ends at its end tag, also within a string. */
const inScript = (text: string): string => text.replaceAll('</script', String.raw`<\/script`);

export function plotStyle(): string {
  return `<style>${textOf('uplot/dist/uPlot.min.css')}</style>`;
}

/** uPlot asks for the reader's language. In a POSIX locale, Chromium has one that it does not know itself, such as en-US@posix. */
const LANGUAGE =
  "<script>try{new Intl.NumberFormat(navigator.language)}catch{Object.defineProperty(navigator,'language',{value:'en'})}</script>";

/** The library with its notice, then the script. They stand after all plots. */
export function plotScripts(): string {
  return [
    LANGUAGE,
    `<script>/*!\n${inScript(textOf('uplot/LICENSE').trim())}\n*/`,
    `${inScript(textOf('uplot/dist/uPlot.iife.min.js').trim())}</script>`,
    `<script>\n${inScript(textOf('./page-script.mjs').trim())}\n</script>`,
  ].join('\n');
}
