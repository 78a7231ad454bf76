//! A value for each worker, or for each dispatcher, by index.

/// Makes a value when it is first asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Each<T>(Vec<T>);

impl<T: Default> Each<T> {
    /// The value of this one.
    pub(super) fn of(&mut self, index: usize) -> &mut T {
        if index >= self.0.len() {
            self.0.resize_with(index + 1, T::default);
        }
        &mut self.0[index]
    }

    /// The value of this one, if it was ever asked for.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index)
    }

    /// All, by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().enumerate()
    }

    /// All, by index, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.0.iter_mut().enumerate()
    }
}
