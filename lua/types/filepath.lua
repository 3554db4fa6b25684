---@meta filepath

--- Names of files.
---@class filepath
local filepath = {}

--- From the root.
---@param path string
---@return string
---@return string? error
function filepath.abs(path) end

--- The last element.
---@param path string
---@return string
function filepath.basename(path) end

--- The shortest form.
---@param path string
---@return string
function filepath.clean(path) end

--- All but the last element.
---@param path string
---@return string
function filepath.dir(path) end

--- The suffix, with its dot.
---@param path string
---@return string
function filepath.ext(path) end

--- As it is.
---@param path string
---@return string
function filepath.from_slash(path) end

--- As it is.
---@param path string
---@return string
function filepath.to_slash(path) end

--- Empty.
---@param path string
---@return string
function filepath.volume_name(path) end

--- Whether it begins at the root.
---@param path string
---@return boolean
function filepath.is_abs(path) end

--- The elements with slashes between.
---@param ... any
---@return string
function filepath.join(...) end

--- Whether a name fits a pattern.
---@param pattern string
---@param name string
---@return boolean
---@return string? error
function filepath.match(pattern, name) end

--- The way from one to the other.
---@param base string
---@param target string
---@return string
---@return string? error
function filepath.rel(base, target) end

--- /
---@return string
function filepath.separator() end

--- :
---@return string
function filepath.list_separator() end

--- Folder and file.
---@param path string
---@return string folder
---@return string file
function filepath.split(path) end

--- The elements between colons.
---@param list string
---@return string[]
function filepath.split_list(list) end

--- The name without symbolic links.
---@param path string
---@return string
---@return string? error
function filepath.eval_symlinks(path) end

--- The names that fit.
---@param pattern string
---@return string[]?
---@return string? error
function filepath.glob(pattern) end

return filepath
