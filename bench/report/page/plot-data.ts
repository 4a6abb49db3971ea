/** What `page-script.mjs` gets: a plot as JSON. It imports nothing, since the script's types are those of a browser. */

export type PlotKind = 'measured' | 'predicted' | 'reference';

export interface PlotData {
  xs: number[];
  xTexts: string[];
  xLabel: string;
  xBase: number;
  isLogY: boolean;
  isZoomed: boolean;
  shade?: { beyond: number; text: string };
  series: PlotDataSeries[];
}

export interface PlotDataSeries {
  style: number;
  kind: PlotKind;
  shape: string;
  /** By x. null where the series has no point. */
  ys: (number | null)[];
  lows: (number | null)[];
  highs: (number | null)[];
  texts: string[];
}
