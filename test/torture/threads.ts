/** What /proc says of a process' threads. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Thread = {
  readonly name: string
  readonly state: string
  /** Clock ticks it has had, for itself and in the kernel. */
  readonly ticks: string
  /** Where it waits in the kernel. */
  readonly waitsIn: string
  /** How often it went to sleep or was put aside. */
  readonly switches: number
}

/** By thread id; empty where the process is ending just now, or there is no /proc. */
export function threadsOf(pid: number): ReadonlyMap<string, Thread> {
  const folder = `/proc/${pid}/task`
  try {
    return new Map(readdirSync(folder).map(id => [id, readThread(join(folder, id))]))
  } catch {
    return new Map()
  }
}

/** How often its threads were switched, all together: the same number twice is a process in which nothing moves. */
export function switchesOf(pid: number): number {
  return [...threadsOf(pid).values()].reduce((sum, { switches }) => sum + switches, 0)
}

/** Whether every thread is stopped by a signal. Reads no more than that takes: it is asked again and again. */
export function isStopped(pid: number): boolean {
  const folder = `/proc/${pid}/task`
  try {
    return readdirSync(folder).every(id => statOf(join(folder, id))[0] === 'T')
  } catch {
    return false
  }
}

/** A few words about each thread at two moments. */
export function comparedText(before: ReadonlyMap<string, Thread>, after: ReadonlyMap<string, Thread>): string {
  const texts = [...after].map(([id, { name, state, ticks, waitsIn }]) => {
    const { ticks: ticksBefore = '-' } = before.get(id) ?? {}
    return `${name} ${state} ${ticksBefore} -> ${ticks} ${waitsIn}`
  })
  return texts.join('; ')
}

function readThread(folder: string): Thread {
  const read = (file: string): string => readFileSync(join(folder, file), 'latin1').trim()
  const fields = statOf(folder)
  const switches = read('status').matchAll(/ctxt_switches:\s*(\d+)/g)
  return {
    name: read('comm'),
    state: fields[0] as string,
    ticks: `${fields[11]}+${fields[12]}`,
    waitsIn: read('wchan'),
    switches: [...switches].reduce((sum, [, count]) => sum + Number(count), 0),
  }
}

/** The fields behind the name, which may hold anything. */
function statOf(folder: string): string[] {
  return readFileSync(join(folder, 'stat'), 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')
}
