/**
 * Quantization tables for a quality of 1 … 100 as the IJG library scales those of ITU-T T.81 annex K, in rows, for
 * ffmpeg's `-intra_matrix` and `-chroma_intra_matrix` with `-q:v 8` (eighths: the tables as they are). The encoder writes
 * 8 for the DC step whatever the table says.
 */

const LUMA = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMA = [
  17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99,
];

/** Both tables, steps 1 … 255. */
export function quantizationTables(quality: number): { readonly luma: number[]; readonly chroma: number[] } {
  const bounded = Math.min(100, Math.max(1, Math.round(quality)));
  const percent = bounded < 50 ? 5000 / bounded : 200 - 2 * bounded;
  const scale = (table: readonly number[]): number[] =>
    table.map((step) => Math.min(255, Math.max(1, Math.floor((step * percent + 50) / 100))));
  return { luma: scale(LUMA), chroma: scale(CHROMA) };
}
