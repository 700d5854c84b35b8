/**
 * `npm run test:bad-bytes`: the whole sweep of the golden folders, shared among worker threads. Prints what was tried, what it
 * took, and what is wrong; exit code 1 where something is.
 *
 *   --workers <n>      threads; default: as many as there are processors
 *   --share <k>/<n>    only every n-th case, from the k-th on: a long sweep in pieces
 *   --alone            never two damages in one folder, which takes hours
 *   --golden <a,b>     which folders: ours, or one of data/golden/rocketmq-5.5.0; default: ours,g7
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { factsOf } from './facts.ts'
import { brokerStore, ownStore } from './full-store.ts'
import type { SweepOptions, Tally } from './sweep.ts'
import { sweep } from './sweep.ts'

type Told = { readonly passed: number; readonly next: string } | { readonly name: string; readonly tally: Tally }

/** A worker that says nothing for so long hangs, and so does the case it told last. */
const HANGS_AFTER_MS = 180_000

type Share = SweepOptions & { readonly names: readonly string[] }

async function work({ names, ...share }: Share): Promise<void> {
  const tell = (told: Told): void => parentPort?.postMessage(told)
  const onProgress = (passed: number, next: string): void => tell({ passed, next })
  for (const name of names) {
    const isOurs = name === 'ours'
    const golden = await factsOf(name, isOurs ? await ownStore() : brokerStore(name), isOurs)
    tell({ name, tally: await sweep(golden, { ...share, onProgress }) })
  }
}

/** Starts one worker; resolves with what it found in each folder. */
function start(share: Share): Promise<Map<string, Tally>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share })
    const tallies = new Map<string, Tally>()
    let last = 'starting'
    const hung = (): void => reject(new Error(`hangs at or behind: ${last}`))
    let watch = setTimeout(hung, HANGS_AFTER_MS)
    worker.on('message', (told: Told) => {
      clearTimeout(watch)
      watch = setTimeout(hung, HANGS_AFTER_MS)
      if ('tally' in told) tallies.set(told.name, told.tally)
      else last = told.next
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      clearTimeout(watch)
      resolve(tallies)
    })
  })
}

function print(name: string, tallies: readonly Tally[]): number {
  const counts = new Map<string, number>()
  const uncovered = new Map<string, number>()
  for (const tally of tallies) {
    for (const [kind, count] of tally.counts) counts.set(kind, (counts.get(kind) ?? 0) + count)
    for (const [file, count] of tally.uncovered) uncovered.set(file, (uncovered.get(file) ?? 0) + count)
  }
  const complaints = tallies.flatMap(tally => tally.complaints)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const folders = tallies.reduce((sum, tally) => sum + tally.folders, 0)
  const together = tallies.reduce((sum, tally) => sum + tally.together, 0)
  const texts = [...counts].map(([kind, count]) => `${kind} ${count}`)
  console.log(`${name}: ${total} damages (${texts.join(', ')}) in ${folders} folders, ${complaints.length} complaints`)
  if (together > 0) console.log(`  ${together} folders were looked at again, each damage by itself`)
  for (const [file, count] of uncovered) console.log(`  not covered by any checksum: ${file} ${count}`)
  for (const complaint of complaints) console.log(`  ${complaint}`)
  return complaints.length
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string' },
      share: { type: 'string' },
      alone: { type: 'boolean' },
      golden: { type: 'string' },
    },
  })
  const names = (values.golden ?? 'ours,g7').split(',')
  const workers = Number(values.workers ?? availableParallelism())
  const [k = 1, n = 1] = (values.share ?? '1/1').split('/').map(Number)
  const startedMs = performance.now()
  const shares = Array.from({ length: workers }, (_, i) => ({ stride: n * workers, offset: (k - 1) * workers + i }))
  const found = await Promise.all(shares.map(share => start({ ...share, names, isEachAlone: values.alone ?? false })))
  let complaints = 0
  for (const name of names)
    complaints += print(
      name,
      found.flatMap(tallies => tallies.get(name) ?? []),
    )
  console.log(`${Math.round((performance.now() - startedMs) / 1000)} s with ${workers} workers`)
  process.exit(complaints > 0 ? 1 : 0)
}

if (isMainThread) await main()
else await work(workerData as Share)
