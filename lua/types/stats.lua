---@meta stats

--- Numbers about lists of numbers.
---@class stats
local stats = {}

--- The middle one.
---@param list number[]
---@return number?
---@return string? error
function stats.median(list) end

--- What so many percent do not exceed.
---@param list number[]
---@param percent number
---@return number?
---@return string? error
function stats.percentile(list, percent) end

--- Of the population.
---@param list number[]
---@return number?
---@return string? error
function stats.standard_deviation(list) end

return stats
