---@meta prometheus

--- Metrics as objects, shown on the server's own /metrics. `nauthilus_prometheus` is another module.
---@class prometheus
local prometheus = {}

--- A value that only increases.
---@class prometheus.Counter
local Counter = {}

--- Adds 1.
---@param labels? table<string, any>
function Counter:inc(labels) end

--- Adds a number.
---@param value number
---@param labels? table<string, any>
function Counter:add(value, labels) end

--- A value that can go up and down.
---@class prometheus.Gauge
local Gauge = {}

--- Adds 1.
---@param labels? table<string, any>
function Gauge:inc(labels) end

--- Adds a number.
---@param value number
---@param labels? table<string, any>
function Gauge:add(value, labels) end

--- Sets a number.
---@param value number
---@param labels? table<string, any>
function Gauge:set(value, labels) end

--- Creates a counter. The same name returns the same counter.
---@param options {namespace?: string, subsystem?: string, name: string, help?: string, labels?: string[]}
---@return prometheus.Counter?
---@return string? error
function prometheus.counter(options) end

--- A gauge.
---@param options {namespace?: string, subsystem?: string, name: string, help?: string, labels?: string[]}
---@return prometheus.Gauge?
---@return string? error
function prometheus.gauge(options) end

--- Raises: there is no second server.
---@param address string
function prometheus.register(address) end

return prometheus
