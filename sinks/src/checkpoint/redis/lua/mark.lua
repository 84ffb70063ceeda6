-- Marks how far checkpoints are folded. KEYS: committed. ARGV: generation, n, the history of writes that must go on, if
-- one must.
local found = redis.call('HMGET', KEYS[1], 'generation', 'folded')
if (found[1] or '0') ~= ARGV[1] then
    return {'fenced', found[1] or '0'}
end
local folded = found[2] or '0'
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
if ARGV[3] and history ~= ARGV[3] then
    return {'lost', folded, history}
end
if tonumber(folded) < tonumber(ARGV[2]) then
    folded = ARGV[2]
end
-- A repeated mark is written again: replicas are waited for by what this connection wrote.
redis.call('HSET', KEYS[1], 'folded', folded)
return {'marked', folded, history}
