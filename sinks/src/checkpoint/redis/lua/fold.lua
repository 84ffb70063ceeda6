-- Changes fields. KEYS: a hash. ARGV: generation, first and last checkpoint of the changes, number of fields set, their names and
-- texts, names deleted.
local by = redis.call('HMGET', KEYS[1], '@generation', '@n')
if by[1] and tonumber(by[1]) > tonumber(ARGV[1]) then
    return {'fenced', by[1]}
end
local known = by[1] == ARGV[1] and tonumber(by[2] or '0') or 0
if known > tonumber(ARGV[3]) then
    return {'older'}
end
local sets = 4 + 2 * ARGV[4]
if by[1] ~= ARGV[1] or known < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], '@generation', ARGV[1], '@n', ARGV[2])
end
if sets > 4 then
    redis.call('HSET', KEYS[1], unpack(ARGV, 5, sets))
end
if #ARGV > sets then
    redis.call('HDEL', KEYS[1], unpack(ARGV, sets + 1))
end
return {'folded'}
