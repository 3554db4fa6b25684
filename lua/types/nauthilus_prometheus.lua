---@meta nauthilus_prometheus

--- Metrics created by scripts, shown on /metrics. Labels are a table, empty if there are none.
---@class nauthilus_prometheus
local nauthilus_prometheus = {}

--- Creates a counter. Does nothing if it exists.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_counter_vec(name, help, labels) end

--- Creates a gauge.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_gauge_vec(name, help, labels) end

--- Creates a histogram of seconds.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_histogram_vec(name, help, labels) end

--- Creates a summary (sum and count) of seconds.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_summary_vec(name, help, labels) end

--- Adds 1.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.increment_counter(name, labels) end

--- Creates the series with value 0.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.touch_counter(name, labels) end

--- Adds 1.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.increment_gauge(name, labels) end

--- Subtracts 1.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.decrement_gauge(name, labels) end

--- Adds a number.
---@param name string
---@param value number
---@param labels table<string, any>
function nauthilus_prometheus.add_gauge(name, value, labels) end

--- Subtracts a number.
---@param name string
---@param value number
---@param labels table<string, any>
function nauthilus_prometheus.sub_gauge(name, value, labels) end

--- Sets a number.
---@param name string
---@param value number
---@param labels table<string, any>
function nauthilus_prometheus.set_gauge(name, value, labels) end

--- Starts a timer.
---@param name string
---@param labels table<string, any>
---@return userdata timer
---@return nil
function nauthilus_prometheus.start_histogram_timer(name, labels) end

--- Starts a timer.
---@param name string
---@param labels table<string, any>
---@return userdata timer
---@return nil
function nauthilus_prometheus.start_summary_timer(name, labels) end

--- Records the seconds since the start. May be called repeatedly.
---@param timer userdata
function nauthilus_prometheus.stop_timer(timer) end

return nauthilus_prometheus
