/** Runs one benny suite and answers its figures. Each operation may stand for several messages. */
import { createRequire } from 'node:module'

type Benny = typeof import('benny')
const benny = createRequire(import.meta.url)('benny') as Benny

export type Case = { readonly name: string; readonly messages: number; readonly run: () => Promise<void> | void }
export type Figure = { readonly name: string; readonly messagesPerSecond: number; readonly marginPercent: number }

/** Measures each case for at least `seconds`. */
export async function runSuite(title: string, cases: readonly Case[], seconds = 1): Promise<Figure[]> {
  const adds = cases.map(({ name, run }) =>
    benny.add(name, run.length === 0 ? run : () => run(), { minSamples: 5, maxTime: seconds }),
  )
  const summary = await benny.suite(title, ...adds, benny.configure({ minDisplayPrecision: 0 }))
  return (summary.results ?? []).map((result, i) => ({
    name: result.name,
    messagesPerSecond: Math.round(result.ops * (cases[i]?.messages ?? 1)),
    marginPercent: result.margin,
  }))
}
