/** Names of index files: the local time they were made at, `yyyyMMddHHmmssSSS`.   RocketMQ: UtilAll.timeMillisToHumanString. */

/** The name of a file made at this time. */
export function indexFileName(nowMs: number): string {
  const time = new Date(nowMs)
  const parts = [time.getMonth() + 1, time.getDate(), time.getHours(), time.getMinutes(), time.getSeconds()]
  const text = parts.map(part => String(part).padStart(2, '0')).join('')
  return String(time.getFullYear()).padStart(4, '0') + text + String(time.getMilliseconds()).padStart(3, '0')
}

/** `name`, or where `last` is not older the first name after it: files are read in the order of their names. */
export function nextIndexFileName(name: string, last: string | undefined): string {
  if (last === undefined || name > last) return name
  // Not always a time any more, but 17 digits, which is all that RocketMQ asks of it.
  return String(BigInt(last) + 1n).padStart(17, '0')
}
