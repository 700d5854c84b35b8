/** Queue work as all Node contestants are measured with it: from send to a handler that has nothing to do, to its acknowledgement. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Measured, nextTurn } from './loops.ts'
import { bodyOf } from './messages.ts'
import type { Answer, Request } from './protocol.ts'

/** Messages that may be sent and not yet handled: beyond it producers wait. */
const BACKLOG_MAX = 10_000
/** A sender lets others have a turn after so many sends, whatever its promises do. */
const SENDS_A_TURN = 8
/** Numbers of messages start over, so that they fit a table. */
const NUMBERS = 2 ** 20
/** At the pace, before latency counts. */
const SETTLING_SECONDS = 1

/** A queue at work. */
export type Queue = {
  /** Resolves when the message survives the process. */
  readonly send: (body: Buffer) => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Flat out with `request.outstanding` senders, or, after a warm-up flat out, at `settings.rate` a second; latency is from the call of send to the handler. */
export async function measureQueue(
  request: Request,
  open: (handle: (body: Buffer) => void) => Promise<Queue>,
): Promise<Answer> {
  let clock = new Measured(request)
  const sentAt = new Float64Array(NUMBERS)
  let sent = 0
  let handled = 0
  const queue = await open(body => {
    const number = body.readUInt32BE(0)
    clock.latency.add((performance.now() - (sentAt[number] as number)) * 1e6)
    handled++
    clock.operations++
  })
  const send = (): Promise<unknown> => {
    const number = sent++ % NUMBERS
    const body = Buffer.from(bodyOf(request.size))
    body.writeUInt32BE(number)
    sentAt[number] = performance.now()
    return queue.send(body)
  }
  const rate = Number(request.settings.rate ?? 0)
  const backlog = (): number => sent - handled
  if (rate > 0) {
    // At the pace itself it would take minutes until everything is compiled.
    await sendFlatOut(new Measured({ ...request, seconds: 0 }), request.outstanding, send, backlog)
    while (backlog() > 0) await nextTurn()
    clock = new Measured({ ...request, warmUpSeconds: SETTLING_SECONDS })
    await sendPaced(clock, rate, send)
  } else await sendFlatOut(clock, request.outstanding, send, backlog)
  const answer = clock.answer({ notYetHandled: sent - handled })
  await queue.close()
  return answer
}

async function sendFlatOut(
  clock: Measured,
  outstanding: number,
  send: () => Promise<unknown>,
  backlog: () => number,
): Promise<void> {
  const sender = async (): Promise<void> => {
    for (let i = 1; !clock.isOver; i++) {
      if (backlog() < BACKLOG_MAX) await send()
      if (i % SENDS_A_TURN === 0 || backlog() >= BACKLOG_MAX) await nextTurn()
    }
  }
  const looks = async (): Promise<void> => {
    for (; !clock.isOver; clock.look()) await nextTurn()
  }
  await Promise.all([looks(), ...Array.from({ length: outstanding }, sender)])
}

async function sendPaced(clock: Measured, rate: number, send: () => Promise<unknown>): Promise<void> {
  const started = performance.now()
  const sends = new Set<Promise<unknown>>()
  for (let count = 0; !clock.isOver; clock.look()) {
    for (const due = ((performance.now() - started) * rate) / 1000; count < due; count++) {
      const one: Promise<unknown> = send().finally(() => sends.delete(one))
      sends.add(one)
    }
    await sleep(1)
  }
  await Promise.all(sends)
}
