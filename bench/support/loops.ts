/** The loops that all Node contestants are measured with: the same calls, the same clock, the same yields. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { bytesOnDevice } from './device.ts'
import { Histogram } from './histogram.ts'
import type { Answer, Request } from './protocol.ts'
import { Unsupported } from './protocol.ts'

const YIELD_MS = 1
const LOOK_EVERY = 16
/** Of short operations one in so many is timed. */
const SAMPLE_EVERY = 64
/** Of the timer that event-loop delay is seen by; the histogram counts from one firing to the next. */
const RESOLUTION_MS = 1

/** One append: nothing where it is done, a promise where it has to wait. */
export type Put = (i: number) => void | Promise<void>
/** One append; resolves when it counts. */
export type Send = (i: number) => Promise<unknown>

export type Loop = {
  readonly put?: Put
  readonly send?: Send
  /** Resolves when all that was put counts. */
  readonly settled?: () => Promise<unknown>
}

/** Appends as `request.outstanding` says: warm-up first, then for `request.seconds`. */
export async function measureAppends(request: Request, { put, send, settled }: Loop): Promise<Answer> {
  const clock = new Measured(request)
  if (request.outstanding === 0) {
    if (put === undefined) throw new Unsupported('there is no synchronous append here')
    await putOneByOne(clock, put)
  } else {
    if (send === undefined) throw new Unsupported('there is no append to await here')
    await sendOutstanding(clock, send, request.outstanding)
  }
  await settled?.()
  return clock.answer()
}

async function putOneByOne(clock: Measured, put: Put): Promise<void> {
  const lookEvery = clock.isDisk ? 1 : LOOK_EVERY
  let turned = performance.now()
  for (let i = 0; !clock.isOver; ) {
    const isSampled = i % clock.sampleEvery === 0
    const called = isSampled ? performance.now() : 0
    const waits = put(i)
    if (waits !== undefined) await waits
    if (isSampled) clock.latency.add((performance.now() - called) * 1e6)
    clock.operations++
    if (++i % lookEvery !== 0) continue
    const now = clock.look()
    if (now - turned < YIELD_MS) continue
    await nextTurn()
    turned = performance.now()
  }
}

async function sendOutstanding(clock: Measured, send: Send, outstanding: number): Promise<void> {
  let i = 0
  let turned = performance.now()
  let turn: Promise<void> | undefined
  const look = (): void => {
    const now = clock.look()
    if (turn !== undefined || now - turned < YIELD_MS) return
    turn = nextTurn().then(() => {
      turned = performance.now()
      turn = undefined
    })
  }
  const caller = async (): Promise<void> => {
    while (!clock.isOver) {
      const isSampled = i % clock.sampleEvery === 0
      const called = isSampled ? performance.now() : 0
      await send(i++)
      if (isSampled) clock.latency.add((performance.now() - called) * 1e6)
      if (++clock.operations % LOOK_EVERY === 0 || clock.isDisk) look()
      if (turn !== undefined) await turn
    }
  }
  await Promise.all(Array.from({ length: outstanding }, caller))
}

/**
 * Calls `pass` again and again; it answers how many messages it has read. Where `settings.pass` is `first`, everything is opened anew
 * before each of them, which does not count.
 */
export async function measurePasses(
  request: Request,
  pass: () => number | Promise<number>,
  reopen?: () => void | Promise<void>,
): Promise<Answer> {
  const isFirst = request.settings.pass === 'first'
  if (isFirst && reopen === undefined) throw new Unsupported('it is not opened anew')
  const clock = new Measured(request)
  while (!clock.isOver) {
    if (isFirst) await clock.pausedFor(async () => await reopen?.())
    clock.operations += await pass()
    clock.look()
    await nextTurn()
  }
  return clock.answer()
}

/** Counts operations after a warm-up, and what happened beside them. */
export class Measured {
  operations = 0
  isOver = false
  latency = new Histogram()
  readonly isDisk: boolean
  readonly sampleEvery: number
  readonly #request: Request
  readonly #loopDelay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #isWarm = false
  #pausedMs = 0
  #started = performance.now()
  #onDevice: number | undefined
  #until: number

  constructor(request: Request) {
    this.#request = request
    this.isDisk = request.durability === 'disk'
    this.sampleEvery = this.isDisk ? 1 : SAMPLE_EVERY
    this.#until = this.#started + request.warmUpSeconds * 1000
  }

  /** Looks at the clock: ends the warm-up, then the measurement. */
  look(): number {
    const now = performance.now()
    if (now < this.#until) return now
    if (this.#isWarm) this.isOver = true
    else this.#begin(now)
    return now
  }

  /** Does work that is no part of what is measured. */
  async pausedFor(work: () => Promise<unknown>): Promise<void> {
    const from = performance.now()
    await work()
    this.#pausedMs += performance.now() - from
  }

  /** The answer, once everything counts. */
  answer(figures: Readonly<Record<string, number>> = {}): Answer {
    const seconds = (performance.now() - this.#started - this.#pausedMs) / 1000
    this.#loopDelay.disable()
    const onDevice = bytesOnDevice(this.#request.deviceStat)
    const { p50, p99, p999, max } = this.latency.summary()
    return {
      operations: this.operations,
      seconds,
      bytes: this.operations * this.#request.size,
      ...(onDevice !== undefined && this.#onDevice !== undefined ? { deviceBytes: onDevice - this.#onDevice } : {}),
      ...(this.latency.count > 0 ? { latencies: { p50, p99, p999, max } } : {}),
      figures: {
        loopDelayP99Ms: milliseconds(this.#loopDelay.percentile(99)),
        loopDelayMaxMs: milliseconds(this.#loopDelay.max),
        ...figures,
      },
    }
  }

  #begin(now: number): void {
    this.#isWarm = true
    this.operations = 0
    this.#pausedMs = 0
    this.latency = new Histogram()
    this.#loopDelay.enable()
    this.#onDevice = bytesOnDevice(this.#request.deviceStat)
    this.#started = now
    this.#until = now + this.#request.seconds * 1000
  }
}

/** The next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Beyond the time between two firings. */
function milliseconds(nanoseconds: number): number {
  return Math.max(0, Math.round(nanoseconds / 1e4) / 100 - RESOLUTION_MS)
}
