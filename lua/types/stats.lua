---@meta stats

--- Statistics over lists of numbers.
---@class stats
local stats = {}

--- The median.
---@param list number[]
---@return number?
---@return string? error
function stats.median(list) end

--- The percentile.
---@param list number[]
---@param percent number
---@return number?
---@return string? error
function stats.percentile(list, percent) end

--- The standard deviation of the population.
---@param list number[]
---@return number?
---@return string? error
function stats.standard_deviation(list) end

return stats
