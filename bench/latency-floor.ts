/** What the way from `send` to the handler cannot be shorter than on this machine, at the same pace: hand-overs with nothing between. */
import { EventEmitter } from 'node:events'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Histogram } from './support/histogram.ts'

/** One hand-over: calls back when the handler would have been called. */
type HandOver = (arrived: () => void) => void

/** An event emitter, and a microtask on either side of it: about what any queue in memory does. */
export function emitterHandOver(): HandOver {
  const emitter = new EventEmitter()
  return arrived => {
    emitter.once('message', () => queueMicrotask(arrived))
    queueMicrotask(() => emitter.emit('message'))
  }
}

/** The same, and the record's bytes into the page cache before it: what "survives the process" takes. */
export function writingHandOver(folder: string, recordBytes: number): { handOver: HandOver; close: () => void } {
  const file = openSync(join(folder, 'floor'), 'w')
  const record = Buffer.alloc(recordBytes, 7)
  const emit = emitterHandOver()
  const handOver: HandOver = arrived =>
    queueMicrotask(() => {
      writeSync(file, record)
      emit(arrived)
    })
  return { handOver, close: () => closeSync(file) }
}

/** Nanoseconds from the call to the arrival, one call whenever `pace` resolves. */
export async function measureHandOver(
  handOver: HandOver,
  total: number,
  warmUp: number,
  pace: (total: number, call: (i: number) => Promise<void>) => Promise<void>,
): Promise<Histogram> {
  const taken = new Histogram()
  await pace(total, async i => {
    const atMs = performance.now()
    await new Promise<void>(resolve => {
      handOver(() => {
        if (i >= warmUp) taken.add((performance.now() - atMs) * 1e6)
        resolve()
      })
    })
  })
  return taken
}
